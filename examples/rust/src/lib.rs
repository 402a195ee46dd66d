//! Routable Connection IDs of draft-ietf-quic-load-balancers, revisions 19 and later, for quinn:
//!
//! ```
//! use std::sync::Arc;
//! use quic_lb::{Config, Generator, Minter, WrongConfig};
//!
//! fn make_routable(endpoint: &mut quinn_proto::EndpointConfig, key: [u8; 16]) -> Result<(), WrongConfig> {
//!     let config = Config { rotation: 0, server_id_length: 8, nonce_length: 8, key: Some(key) };
//!     let minter = Arc::new(Minter::new(config, b"server-1", None)?);
//!     endpoint.cid_generator(move || Box::new(Generator::new(minter.clone())));
//!     Ok(())
//! }
//! ```

mod cipher;
mod codec;
mod generator;
mod minter;

pub use codec::{Codec, Config, WrongConfig};
pub use generator::Generator;
pub use minter::{Minter, NoncesExhausted, unroutable};
