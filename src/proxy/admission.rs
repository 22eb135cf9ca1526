//! Room for clients: so many connections at once over all workers, so many of one address, and while there is memory.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::quality::RandomState;

use super::memory::Memory;
use crate::route::Listener;
use crate::telemetry::meters::Refusal;

/// Workers that accept at the same moment seldom want the same part of the counts.
const SHARDS: usize = 16;

/// What a connection at rest holds, here and in the kernel.
const CONNECTION: u32 = 8 * 1024;

/// What limits connections.
#[derive(Debug)]
pub(crate) struct Admission {
    open: AtomicUsize,
    most: usize,
    memory: Arc<Memory>,
    /// Of each address; `None` is as many as there may be of all.
    clients: Option<Clients>,
}

impl Admission {
    /// At most `most` connections at once, and at most `per_client` of one address.
    pub(crate) fn new(most: usize, per_client: Option<NonZeroU32>, memory: Arc<Memory>) -> Arc<Self> {
        Arc::new(Self { open: AtomicUsize::new(0), most, memory, clients: per_client.map(Clients::new) })
    }

    /// Connections at this moment, tunnels included.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// Room for a connection that `peer` has made to `listener`. Its own address counts, unless it may speak for others.
    pub(crate) fn admit(self: &Arc<Self>, listener: &Listener, peer: IpAddr) -> Result<Ticket, Refusal> {
        self.memory.came(CONNECTION);
        if !self.memory.takes_connections() {
            return Err(Refusal::Memory);
        }
        // Workers count before they look, so that several at once stay within the limit.
        if self.open.fetch_add(1, Relaxed) >= self.most {
            self.open.fetch_sub(1, Relaxed);
            return Err(Refusal::Overloaded);
        }
        let mut ticket = Ticket { admission: self.clone(), client: None };
        if self.clients.is_some() && !listener.proxy_protocol.trusted.contains(peer) {
            ticket.count_for(listener, peer)?;
        }
        Ok(ticket)
    }
}

/// The room that one connection takes, and gives back when it is dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    admission: Arc<Admission>,
    client: Option<Client>,
}

impl Ticket {
    /// Counts it for this client, who is its peer or whom a PROXY header named. Trusted peers bring many clients, and
    /// are not counted.
    pub(crate) fn count_for(&mut self, listener: &Listener, address: IpAddr) -> Result<(), Refusal> {
        let Some(clients) = &self.admission.clients else { return Ok(()) };
        if self.client.is_some() || listener.forwarded_headers.trusted.contains(address) {
            return Ok(());
        }
        let client = Client::of(address);
        if !clients.enter(client) {
            return Err(Refusal::ClientLimit);
        }
        self.client = Some(client);
        Ok(())
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.admission.open.fetch_sub(1, Relaxed);
        if let (Some(clients), Some(client)) = (&self.admission.clients, self.client) {
            clients.leave(client);
        }
    }
}

/// An IPv4 address, or the /64 of an IPv6 one: whoever has one address of a /64 has all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Client(u128);

impl Client {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.to_ipv6_mapped().to_bits()),
            IpAddr::V6(address) => Self(address.to_bits() >> 64 << 64),
        }
    }
}

/// How many connections each client has. Only those with any are known, so there are never more of them than
/// connections; their addresses are chosen by strangers, so the hash has a key.
#[derive(Debug)]
struct Clients {
    most: u32,
    shards: [Mutex<HashMap<Client, u32, RandomState>>; SHARDS],
    place: RandomState,
}

impl Clients {
    fn new(most: NonZeroU32) -> Self {
        Self { most: most.get(), shards: std::array::from_fn(|_| Mutex::default()), place: RandomState::default() }
    }

    fn with<T>(
        &self,
        client: Client,
        act: impl FnOnce(&mut HashMap<Client, u32, RandomState>) -> Option<T>,
    ) -> Option<T> {
        let shard = self.shards.get(self.place.hash_one(client) as usize % SHARDS)?;
        act(&mut shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One more, unless there are as many as there may be.
    fn enter(&self, client: Client) -> bool {
        let entered = self.with(client, |counts| {
            let count = counts.entry(client).or_insert(0);
            (*count < self.most).then(|| *count += 1)
        });
        entered.is_some()
    }

    fn leave(&self, client: Client) {
        self.with(client, |counts| {
            let count = counts.get_mut(&client)?;
            *count -= 1;
            if *count == 0 { counts.remove(&client).map(drop) } else { None }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::{Look, Pressure};
    use super::*;
    use crate::route::TrustedPeers;

    /// With as much memory as there may be.
    fn admission(most: usize, per_client: Option<NonZeroU32>) -> Arc<Admission> {
        Admission::new(most, per_client, Memory::of(Pressure::None))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn known(admission: &Admission) -> usize {
        let clients = admission.clients.as_ref().expect("a limit of clients");
        clients.shards.iter().map(|shard| shard.lock().expect("a shard").len()).sum()
    }

    #[test]
    fn an_address_has_its_own_limit_and_those_that_left_are_forgotten() {
        let admission = admission(100, NonZeroU32::new(2));
        let listener = Listener::new("web", ":80");
        let admit = |peer: &str| admission.admit(&listener, ip(peer));
        let (one, two) = (admit("192.0.2.1").expect("room"), admit("::ffff:192.0.2.1").expect("room"));
        assert_eq!(admit("192.0.2.1").expect_err("no room"), Refusal::ClientLimit);
        let other = admit("192.0.2.2").expect("room for another");
        assert_eq!((admission.open(), known(&admission)), (3, 2), "what was refused is not counted");
        drop(one);
        let again = admit("192.0.2.1").expect("room again");
        drop((again, two, other));
        assert_eq!((admission.open(), known(&admission)), (0, 0));
    }

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_client() {
        let admission = admission(100, NonZeroU32::new(1));
        let listener = Listener::new("web", ":80");
        let admit = |peer: &str| admission.admit(&listener, ip(peer));
        let _one = admit("2001:db8:1:2::1").expect("room");
        assert_eq!(admit("2001:db8:1:2:ffff::9").expect_err("the same network"), Refusal::ClientLimit);
        let _next = admit("2001:db8:1:3::1").expect("another network");
        let _low = admit("::2").expect("no IPv4 address is of the network of zeros");
        let _mapped = admit("::ffff:1.2.3.4").expect("an IPv4 address");
    }

    #[test]
    fn whoever_may_speak_for_others_is_not_counted_and_those_it_names_are() {
        let admission = admission(100, NonZeroU32::new(1));
        let mut listener = Listener::new("web", ":80");
        let balancers = TrustedPeers { all: false, networks: vec!["10.0.0.0/8".parse().expect("a network")] };
        listener.proxy_protocol.trusted = balancers.clone();
        listener.forwarded_headers.trusted = balancers;
        let mut one = admission.admit(&listener, ip("10.0.0.1")).expect("room");
        let mut two = admission.admit(&listener, ip("10.0.0.1")).expect("not counted");
        assert_eq!(one.count_for(&listener, ip("192.0.2.1")), Ok(()));
        assert_eq!(two.count_for(&listener, ip("192.0.2.1")), Err(Refusal::ClientLimit));
        assert_eq!(two.count_for(&listener, ip("10.9.9.9")), Ok(()), "a balancer behind a balancer");
        assert_eq!(known(&admission), 1);
    }

    #[test]
    fn while_memory_is_short_nobody_new_comes_in() {
        for (pressure, let_in) in [(Pressure::None, true), (Pressure::Connections, false), (Pressure::Requests, false)]
        {
            let admission = Admission::new(10, None, Memory::of(pressure));
            let admitted = admission.admit(&Listener::new("web", ":80"), ip("192.0.2.1"));
            assert_eq!(admitted.err(), (!let_in).then_some(Refusal::Memory), "{pressure:?}");
        }
    }

    #[test]
    fn connections_alone_make_that_memory_is_looked_at() {
        let looks = AtomicUsize::new(0);
        let memory = Memory::new(Box::new(move |_| {
            let first = looks.fetch_add(1, Relaxed) == 0;
            let pressure = if first { Pressure::None } else { Pressure::Connections };
            Look { pressure, room: u64::from(3 * CONNECTION) }
        }));
        memory.look();
        let admission = Admission::new(10, None, memory);
        let admit = || admission.admit(&Listener::new("web", ":80"), ip("192.0.2.1"));
        let _held = (admit().expect("room"), admit().expect("room"));
        assert_eq!(admit().err(), Some(Refusal::Memory));
    }

    #[test]
    fn workers_that_admit_at_the_same_moment_stay_within_both_limits() {
        const MOST: usize = 50;
        let admission = admission(MOST, NonZeroU32::new(30));
        let listener = Listener::new("web", ":80");
        let admitted: Vec<Ticket> = std::thread::scope(|scope| {
            let worker = |nth: u8| {
                let (admission, listener) = (&admission, &listener);
                move || {
                    let peer = IpAddr::from([192, 0, 2, nth % 2]);
                    (0..100).filter_map(|_| admission.admit(listener, peer).ok()).collect::<Vec<_>>()
                }
            };
            let workers: Vec<_> = (0..4).map(|nth| scope.spawn(worker(nth))).collect();
            workers.into_iter().flat_map(|worker| worker.join().expect("a worker")).collect()
        });
        assert!(admitted.len() <= MOST && admission.open() == admitted.len(), "{} connections", admitted.len());
        drop(admitted);
        assert_eq!((admission.open(), known(&admission)), (0, 0));
    }
}
