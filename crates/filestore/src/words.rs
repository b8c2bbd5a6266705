//! The words of the API's documents, where the types behind them belong to other crates.

httpkit::words! {
    /// What a node is.
    NodeKind: "file" | "directory";
    /// What kind of file it is.
    FileType: "regular" | "directory" | "symlink" | "fifo" | "socket" | "character" | "block";
    /// Where a node is in its life.
    NodeState: "active" | "inconsistent" | "missing" | "deleted";
    /// What the last comparison with the disk said.
    ConsistencyState: "active" | "inconsistent" | "missing";
    /// Why a node is compared with the disk.
    ReconcileReason: "drift" | "audit" | "manual";
    /// Whether a mount can be reached.
    HealthWord: "ok" | "unreachable";
}
