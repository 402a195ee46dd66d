use std::fmt;
use std::sync::Mutex;

use rand::RngCore;

use crate::cipher::BodyCipher;
use crate::codec::{Codec, Config, WrongConfig};

/// No nonce is left: it is time for a config of another rotation and key.
#[derive(Debug, PartialEq, Eq)]
pub struct NoncesExhausted;

impl fmt::Display for NoncesExhausted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("all nonces are used: go on with a config of another rotation and key")
    }
}

impl std::error::Error for NoncesExhausted {}

/// Mints the Connection IDs of one server, from any number of threads.
pub struct Minter {
    codec: Codec,
    server_id: Vec<u8>,
    /// Where no key hides them, counted nonces would tell how many connections the server has: a one-to-one map of all
    /// nonces that only this process knows.
    shuffle: Option<BodyCipher>,
    nonces: Mutex<Nonces>,
}

struct Nonces {
    first: Vec<u8>,
    next: Vec<u8>,
    exhausted: bool,
}

fn random_octets(count: usize) -> Vec<u8> {
    let mut octets = vec![0; count];
    rand::rng().fill_bytes(&mut octets);
    octets
}

impl Minter {
    /// Counts nonces up from `first_nonce`, or from a random start. A server that goes on under the same key after a
    /// restart passes what `next_nonce` gave before.
    pub fn new(config: Config, server_id: &[u8], first_nonce: Option<&[u8]>) -> Result<Self, WrongConfig> {
        let nonce_length = config.nonce_length;
        let shuffled = config.key.is_none();
        let server_id_length = config.server_id_length;
        let codec = Codec::new(config)?;
        let first = first_nonce.map_or_else(|| random_octets(nonce_length), <[u8]>::to_vec);
        if server_id.len() != server_id_length || first.len() != nonce_length {
            return Err(WrongConfig("server ID or nonce has another length than the config says"));
        }
        let shuffle = shuffled.then(|| {
            let mut key = [0; 16];
            rand::rng().fill_bytes(&mut key);
            BodyCipher::new(&key, nonce_length)
        });
        let nonces = Mutex::new(Nonces { next: first.clone(), first, exhausted: false });
        Ok(Self { codec, server_id: server_id.to_vec(), shuffle, nonces })
    }

    /// Octets of every Connection ID of this minter.
    pub fn length(&self) -> usize {
        self.codec.length()
    }

    /// What to pass to `new` in the process that comes after this one.
    pub fn next_nonce(&self) -> Vec<u8> {
        self.lock().next.clone()
    }

    /// A Connection ID that no other call gave.
    pub fn mint(&self) -> Result<Vec<u8>, NoncesExhausted> {
        let mut nonce = self.take_nonce()?;
        if let Some(shuffle) = &self.shuffle {
            shuffle.seal(&mut nonce);
        }
        Ok(self.codec.encode(&self.server_id, &nonce).expect("lengths were checked by new"))
    }

    fn take_nonce(&self) -> Result<Vec<u8>, NoncesExhausted> {
        let mut nonces = self.lock();
        if nonces.exhausted {
            return Err(NoncesExhausted);
        }
        let nonce = nonces.next.clone();
        for octet in nonces.next.iter_mut().rev() {
            *octet = octet.wrapping_add(1);
            if *octet != 0 {
                break;
            }
        }
        nonces.exhausted = nonces.next == nonces.first;
        Ok(nonce)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Nonces> {
        self.nonces.lock().expect("nothing panics under this lock")
    }
}

/// A random Connection ID that says of itself that it is not routable. `length`: all octets, 1 to 20; at least 8 for a
/// server without config.
pub fn unroutable(length: usize) -> Vec<u8> {
    assert!((1..=20).contains(&length), "a Connection ID has 1 to 20 octets");
    let mut cid = random_octets(length);
    cid[0] = 7 << 5 | (length - 1) as u8;
    cid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_before_the_first_nonce_comes_again() {
        let config = Config { rotation: 0, server_id_length: 1, nonce_length: 4, key: Some([7; 16]) };
        let minter = Minter::new(config, &[9], Some(&[0, 0, 0, 0])).unwrap();
        minter.lock().next = vec![0xff; 4];
        assert!(minter.mint().is_ok());
        assert_eq!(minter.mint(), Err(NoncesExhausted));
        assert_eq!(minter.mint(), Err(NoncesExhausted));
    }
}
