//! The only code that moves anything: one engine for every operation.
//!
//! - [`session`]: an instance opened for a command, and how it stands;
//! - [`precheck`]: what can be known to go wrong before the first write, with [`surroundings`] for those who have a
//!   say in it;
//! - [`operation`]: how every operation begins, is resumed and given up: lock, record, plan made again;
//! - [`carry`]: a run of one under its lock: execute, read everything again, write down its end;
//! - [`rollback`]: the same back to where an operation began;
//! - [`execute`]: items carried out, with [`observe`] for what is live and [`lock`] for who may write;
//! - [`by_label`]: what carries an instance's label, where its record tells nothing;
//! - [`tenants`]: who else would go with a Namespace or CRD;
//! - [`verify`], [`evidence`], [`failure`]: what it came to; told as values of `report`.
//!
//! What is to be done is decided in `plan`; how it looks, in `view`.

mod account;
pub mod by_label;
pub mod carry;
pub mod events;
pub mod evidence;
pub mod execute;
pub mod failure;
pub mod lock;
pub mod observe;
pub mod operation;
pub mod precheck;
pub mod rollback;
pub mod session;
pub mod status;
pub mod surroundings;
pub mod tenants;
pub mod verify;
