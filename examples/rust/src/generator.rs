use std::sync::Arc;
use std::time::Duration;

use quinn_proto::{ConnectionId, ConnectionIdGenerator};

use crate::minter::{Minter, unroutable};

/// Lets quinn give out the Connection IDs of a `Minter`. All endpoints of one server ID and key share one minter.
pub struct Generator {
    minter: Arc<Minter>,
}

impl Generator {
    pub fn new(minter: Arc<Minter>) -> Self {
        Self { minter }
    }
}

impl ConnectionIdGenerator for Generator {
    /// quinn takes no error here. Without a nonce the connection goes on with an ID that is marked as not routable:
    /// better than a nonce used twice, which would reveal it.
    fn generate_cid(&mut self) -> ConnectionId {
        let cid = self.minter.mint().unwrap_or_else(|_| unroutable(self.minter.length()));
        ConnectionId::new(&cid)
    }

    fn cid_len(&self) -> usize {
        self.minter.length()
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}
