//! Whose a row's file is, and was: by name where that is known, else by number.

/// The user of a row's file.
pub(crate) const USER: &str = "coalesce(user_name, uid::VARCHAR)";
/// The group of a row's file.
pub(crate) const GROUP: &str = "coalesce(group_name, gid::VARCHAR)";

/// The user before the row's change.
pub(super) const OLD_USER: &str = "CASE WHEN list_has_any(string_split(changed, ','), ['uid', 'gid']) \
     THEN coalesce(previous_user_name, previous_uid::VARCHAR) \
     ELSE coalesce(user_name, uid::VARCHAR) END";
/// The group before the row's change.
pub(super) const OLD_GROUP: &str = "CASE WHEN list_has_any(string_split(changed, ','), ['uid', 'gid']) \
     THEN coalesce(previous_group_name, previous_gid::VARCHAR) \
     ELSE coalesce(group_name, gid::VARCHAR) END";

/// The extension before the row's change: as `journal::extension` tells it.
pub(super) const OLD_EXTENSION: &str = "CASE WHEN previous_path IS NULL OR kind = 'directory' THEN extension \
     ELSE nullif(regexp_extract(lower(previous_path), '[^/]\\.([^./\\s]{1,16})$', 1), '') END";
