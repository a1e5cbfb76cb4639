//! When a request is charged.

/// When the charge of a request is made, relative to the extraction of the handler's arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChargeTiming {
    /// Before: the costs do not depend on the arguments.
    BeforeExtraction,
    /// After: a cost depends on the arguments. Clients with nothing left are refused before.
    AfterExtraction,
}
