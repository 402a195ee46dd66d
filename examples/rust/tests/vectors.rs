use std::collections::HashSet;
use std::sync::Arc;
use std::thread;

use quic_lb::{Codec, Config, Generator, Minter};
use quinn_proto::ConnectionIdGenerator;

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn key() -> [u8; 16] {
    octets("8f95f09245765f80256934e50c66207f").try_into().unwrap()
}

#[test]
fn builds_and_reads_every_vector() {
    let text = std::fs::read_to_string("../quic-lb-vectors.txt").unwrap();
    let lines: Vec<_> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert_eq!(lines.len(), 8 + 120);
    for line in lines {
        let [key, rotation, server_id, nonce, cid] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let (server_id, nonce, mut cid) = (octets(server_id), octets(nonce), octets(cid));
        let codec = Codec::new(Config {
            rotation: rotation.parse().unwrap(),
            server_id_length: server_id.len(),
            nonce_length: nonce.len(),
            key: (key != "-").then(|| octets(key).try_into().unwrap()),
        })
        .unwrap();
        assert_eq!(codec.encode(&server_id, &nonce).unwrap(), cid, "{line}");
        cid.push(0xee);
        assert_eq!(codec.decode(&cid), Some((server_id, nonce)), "{line}");
    }
}

#[test]
fn does_not_read_other_rotations_and_short_ones() {
    let codec = Codec::new(Config { rotation: 1, server_id_length: 3, nonce_length: 4, key: None }).unwrap();
    for cid in ["", "27", "27c4605e4504cc", "07c4605e4504cc4f", "e7c4605e4504cc4f"] {
        assert_eq!(codec.decode(&octets(cid)), None, "{cid}");
    }
}

#[test]
fn generators_on_many_threads_mint_none_twice() {
    for key in [None, Some(key())] {
        let config = Config { rotation: 6, server_id_length: 3, nonce_length: 4, key };
        let codec = Codec::new(config.clone()).unwrap();
        let minter = Arc::new(Minter::new(config, b"abc", None).unwrap());
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let mut generator = Generator::new(minter.clone());
                thread::spawn(move || (0..2000).map(|_| generator.generate_cid()).collect::<Vec<_>>())
            })
            .collect();
        let minted: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert!(minted.iter().all(|cid| codec.decode(cid).unwrap().0 == b"abc"));
        assert_eq!(minted.iter().map(|cid| cid.to_vec()).collect::<HashSet<_>>().len(), 8000);
    }
}

#[test]
fn counts_up_and_around() {
    let config = Config { rotation: 0, server_id_length: 1, nonce_length: 4, key: Some(key()) };
    let codec = Codec::new(config.clone()).unwrap();
    let minter = Minter::new(config, &[9], Some(&[0xff, 0xff, 0xff, 0xff])).unwrap();
    let nonces: Vec<_> = (0..2).map(|_| codec.decode(&minter.mint().unwrap()).unwrap().1).collect();
    assert_eq!(nonces, [[0xff; 4], [0; 4]]);
    assert_eq!(minter.next_nonce(), [0, 0, 0, 1]);
}

#[test]
fn refuses_wrong_configs() {
    for (rotation, server_id_length, nonce_length, why) in [
        (7, 3, 4, "the rotation must be 0 to 6"),
        (0, 0, 4, "the server ID must have 1 to 15"),
        (0, 16, 4, "the server ID must have 1 to 15"),
        (0, 3, 3, "the nonce must have 4 to 18"),
        (0, 3, 17, "at most 19 octets"),
    ] {
        let fault = Codec::new(Config { rotation, server_id_length, nonce_length, key: None }).err().unwrap();
        assert!(fault.0.contains(why), "{fault}");
    }
}

#[test]
fn an_unroutable_one_says_so() {
    let cid = quic_lb::unroutable(20);
    assert_eq!((cid.len(), cid[0]), (20, 0xe0 | 19));
}
