//! One file per verb: what may be typed, and the way from there to the engine and back to a view.
//!
//! No formatting and no Kubernetes here. What several verbs share: [`mod@env`] (where a command runs), [`operate`] (plan,
//! checks, consent, execution, result), [`progress`] (what is told meanwhile), [`mod@reference`] (packages as a user
//! names them), [`request`] (request files), `selection` (which objects of a package).

mod by_label;
pub mod change_package;
pub mod completion;
pub mod create;
pub mod delete;
pub mod diff;
pub mod env;
mod follow;
pub mod heal;
pub mod instantiate;
pub mod list;
pub mod op;
pub mod operate;
pub mod package;
pub mod problems;
pub mod progress;
pub mod reference;
pub mod request;
pub mod scale;
mod selection;
pub mod show;
pub mod status;
pub mod terminate;
pub mod undo;
pub mod update;
pub mod version;
