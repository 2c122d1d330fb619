//! From a request to a target revision and the scope of what is touched: one file per operation.

pub mod change_package;
pub mod fail;
pub mod heal;
pub mod instantiate;
pub mod rollback;
pub mod scale;
pub mod undo;
pub mod update;
