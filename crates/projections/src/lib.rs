//! Projections of a trace into tables that people and programs read: one tick, the lives of a slot, the answer to a query.
//! They project typed rows and never shape them. Floor 3 of the lab; this crate does not know how traces are compared.

mod cursor;
mod entity;
#[cfg(feature = "mcap")]
pub mod mcap;
#[cfg(feature = "sql")]
pub mod sql;
mod tick;
mod value;
mod window;

pub use cursor::BlockCursor;
pub use entity::{Life, Lives, entity};
pub use tick::{ChannelView, TableView, TickView, tick};
pub use value::{Value, cell, row_values};
pub use window::Window;
