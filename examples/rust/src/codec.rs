use std::fmt;

use crate::cipher::BodyCipher;

/// How the Connection IDs of one configuration are laid out; the same on the load balancer and on all its servers.
#[derive(Clone)]
pub struct Config {
    /// Config rotation bits, 0 to 6.
    pub rotation: u8,
    /// Octets, 1 to 15.
    pub server_id_length: usize,
    /// Octets, 4 to 18; with the server ID at most 19.
    pub nonce_length: usize,
    /// AES-128 key; none for plain text.
    pub key: Option<[u8; 16]>,
}

/// What is allowed, in words.
#[derive(Debug, PartialEq, Eq)]
pub struct WrongConfig(pub &'static str);

impl fmt::Display for WrongConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl std::error::Error for WrongConfig {}

impl Config {
    pub(crate) fn body_length(&self) -> usize {
        self.server_id_length + self.nonce_length
    }

    fn check(&self) -> Result<(), WrongConfig> {
        let rules = [
            (self.rotation <= 6, "the rotation must be 0 to 6: 7 means \"not routable\""),
            ((1..=15).contains(&self.server_id_length), "the server ID must have 1 to 15 octets"),
            ((4..=18).contains(&self.nonce_length), "the nonce must have 4 to 18 octets"),
        ];
        if let Some((_, text)) = rules.iter().find(|(met, _)| !met) {
            return Err(WrongConfig(text));
        }
        if self.body_length() > 19 {
            return Err(WrongConfig("server ID and nonce must have at most 19 octets together"));
        }
        Ok(())
    }
}

/// Builds and reads Connection IDs of one config.
pub struct Codec {
    config: Config,
    cipher: Option<BodyCipher>,
}

impl Codec {
    pub fn new(config: Config) -> Result<Self, WrongConfig> {
        config.check()?;
        let cipher = config.key.as_ref().map(|key| BodyCipher::new(key, config.body_length()));
        Ok(Self { config, cipher })
    }

    /// Octets of a Connection ID, 6 to 20.
    pub fn length(&self) -> usize {
        1 + self.config.body_length()
    }

    /// The first octet tells the length. Never use a nonce twice under one key: two equal ones reveal it.
    pub fn encode(&self, server_id: &[u8], nonce: &[u8]) -> Result<Vec<u8>, WrongConfig> {
        if server_id.len() != self.config.server_id_length || nonce.len() != self.config.nonce_length {
            return Err(WrongConfig("server ID or nonce has another length than the config says"));
        }
        let first = self.config.rotation << 5 | self.config.body_length() as u8;
        let mut cid = [&[first], server_id, nonce].concat();
        if let Some(cipher) = &self.cipher {
            cipher.seal(&mut cid[1..]);
        }
        Ok(cid)
    }

    /// Server ID and nonce; none when the Connection ID has another rotation or is too short. A longer one is fine.
    pub fn decode(&self, cid: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut server_id = cid.get(1..self.length())?.to_vec();
        if cid[0] >> 5 != self.config.rotation {
            return None;
        }
        if let Some(cipher) = &self.cipher {
            cipher.open(&mut server_id);
        }
        let nonce = server_id.split_off(self.config.server_id_length);
        Some((server_id, nonce))
    }
}
