//! What can befall an operation: a fault at one of its requests.

use super::story::Story;
use crate::support::{Fault, Point};
use std::fmt;

/// What is done to one request, or to the plugin at its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    Request(Fault),
    /// The plugin is killed; the request is withheld until then.
    Kill(Fault),
}

impl Harm {
    /// Those that can befall a request.
    pub fn at(point: &Point) -> Vec<Self> {
        use Fault::{Answer, CutAfter, CutBefore, CutWithin, HoldAfter, HoldBefore};
        let requests = |faults: &[Fault]| faults.iter().copied().map(Self::Request).collect::<Vec<_>>();
        let mut harms = requests(&[Answer(500), Answer(429), CutBefore, HoldBefore]);
        harms.push(Self::Kill(HoldBefore));
        if point.writes() {
            // What is only read or tried comes to the same before and after, and knows no conflict.
            harms.extend(requests(&[Answer(409), CutAfter, HoldAfter]));
            harms.push(Self::Kill(HoldAfter));
        }
        if point.verb() == "watch" {
            harms.extend(requests(&[CutWithin]));
        }
        harms
    }
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(Fault::Answer(code)) => write!(f, "{code}"),
            Self::Request(Fault::CutBefore) => f.write_str("cut-before"),
            Self::Request(Fault::CutAfter) => f.write_str("cut-after"),
            Self::Request(Fault::CutWithin) => f.write_str("cut-within"),
            Self::Request(Fault::HoldBefore) => f.write_str("stall-before"),
            Self::Request(Fault::HoldAfter) => f.write_str("stall-after"),
            Self::Kill(Fault::HoldAfter) => f.write_str("kill-after"),
            Self::Kill(_) => f.write_str("kill-before"),
        }
    }
}

/// One fault at one point of one operation.
#[derive(Clone, Debug)]
pub struct Case {
    pub story: Story,
    pub point: Point,
    pub harm: Harm,
    pub way: Way,
}

/// The way out of an operation that stands unfinished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `op retry`.
    Forward,
    /// `op rollback`.
    Back,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.way == Way::Back { "/rollback" } else { "" };
        write!(f, "{}/{}/{}{way}", self.story.name(), self.point, self.harm)
    }
}
