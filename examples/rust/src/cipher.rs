use aes::Aes128;
use aes::cipher::{Block, BlockDecrypt, BlockEncrypt, KeyInit};

const BLOCK: usize = 16;

/// Encrypts what follows a Connection ID's first octet: exactly 16 octets as one AES block, any other length in four
/// passes of a Feistel network (section 5.4 of the draft).
pub(crate) struct BodyCipher {
    aes: Aes128,
    length: usize,
}

type Half = [u8; BLOCK];

impl BodyCipher {
    pub(crate) fn new(key: &[u8; 16], length: usize) -> Self {
        Self { aes: Aes128::new(key.into()), length }
    }

    pub(crate) fn seal(&self, body: &mut [u8]) {
        if self.length == BLOCK {
            self.aes.encrypt_block(Block::<Aes128>::from_mut_slice(body));
        } else {
            self.passes(body, [1, 2, 3, 4]);
        }
    }

    pub(crate) fn open(&self, body: &mut [u8]) {
        if self.length == BLOCK {
            self.aes.decrypt_block(Block::<Aes128>::from_mut_slice(body));
        } else {
            self.passes(body, [4, 3, 2, 1]);
        }
    }

    fn half(&self) -> usize {
        self.length.div_ceil(2)
    }

    /// Odd passes change the right half by the left one, even passes the left half by the right one.
    fn passes(&self, body: &mut [u8], numbers: [u8; 4]) {
        let half = self.half();
        let (mut left, mut right): (Half, Half) = ([0; BLOCK], [0; BLOCK]);
        left[..half].copy_from_slice(&body[..half]);
        right[..half].copy_from_slice(&body[self.length - half..]);
        self.keep_own_nibble(&mut left, &mut right);
        for number in numbers {
            if number % 2 == 1 {
                self.pass(&left, number, &mut right);
            } else {
                self.pass(&right, number, &mut left);
            }
            self.keep_own_nibble(&mut left, &mut right);
        }
        body[..half].copy_from_slice(&left[..half]);
        body[self.length - half..].copy_from_slice(&right[..half]);
        if self.length % 2 == 1 {
            body[half - 1] = left[half - 1] | right[0];
        }
    }

    /// With an odd length the middle octet is split: its high nibble ends the left half, its low one begins the right.
    fn keep_own_nibble(&self, left: &mut Half, right: &mut Half) {
        if self.length % 2 == 1 {
            left[self.half() - 1] &= 0xf0;
            right[0] &= 0x0f;
        }
    }

    /// into ^= truncate(AES(from, zeroes, length, number))
    fn pass(&self, from: &Half, number: u8, into: &mut Half) {
        let mut pad = *from;
        pad[14] = self.length as u8;
        pad[15] = number;
        self.aes.encrypt_block(Block::<Aes128>::from_mut_slice(&mut pad));
        for (octet, pad) in into.iter_mut().zip(pad).take(self.half()) {
            *octet ^= pad;
        }
    }
}
