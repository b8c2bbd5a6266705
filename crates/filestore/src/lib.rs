//! filestore
