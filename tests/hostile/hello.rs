//! First words of TLS by hand (RFC 5246 §7.4.1.2, RFC 8446 §4.1.2): any version, name and extension.

/// A ClientHello of TLS 1.2, which shows its server's certificate in the clear.
#[derive(Clone)]
pub(crate) struct Hello {
    /// In the record, and in the hello.
    pub(crate) versions: (u16, u16),
    pub(crate) suites: Vec<u16>,
    pub(crate) compressions: Vec<u8>,
    /// Extensions: type and content.
    pub(crate) extensions: Vec<(u16, Vec<u8>)>,
}

impl Hello {
    /// What a client of TLS 1.2 says, without a name.
    pub(crate) fn new() -> Self {
        let groups = list(2, &[0, 29, 0, 23]);
        let schemes = list(2, &[4, 3, 8, 4, 4, 1, 8, 7]);
        Self {
            versions: (0x0301, 0x0303),
            // ECDHE with AES and with ChaCha20.
            suites: vec![0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8],
            compressions: vec![0],
            extensions: vec![(10, groups), (13, schemes), (23, vec![])],
        }
    }

    pub(crate) fn for_host(name: &str) -> Self {
        Self::new().with(0, server_names(&[(0, name.as_bytes())]))
    }

    pub(crate) fn with(mut self, kind: u16, content: Vec<u8>) -> Self {
        self.extensions.push((kind, content));
        self
    }

    /// The handshake message.
    pub(crate) fn message(&self) -> Vec<u8> {
        let mut body = self.versions.1.to_be_bytes().to_vec();
        body.extend([7; 32]);
        body.push(0);
        let suites: Vec<u8> = self.suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
        body.extend(list(2, &suites));
        body.extend(list(1, &self.compressions));
        let extension = |(kind, content): &(u16, Vec<u8>)| [&kind.to_be_bytes()[..], &list(2, content)].concat();
        let extensions: Vec<u8> = self.extensions.iter().flat_map(extension).collect();
        body.extend(list(2, &extensions));
        [&[1][..], &list(3, &body)].concat()
    }

    /// The message in one record.
    pub(crate) fn record(&self) -> Vec<u8> {
        record(22, self.versions.0, &self.message())
    }
}

/// One record.
pub(crate) fn record(kind: u8, version: u16, content: &[u8]) -> Vec<u8> {
    [&[kind][..], &version.to_be_bytes(), &list(2, content)].concat()
}

/// The content of an extension that names servers, each with its kind.
pub(crate) fn server_names(names: &[(u8, &[u8])]) -> Vec<u8> {
    let all: Vec<u8> = names.iter().flat_map(|(kind, name)| [&[*kind][..], &list(2, name)].concat()).collect();
    list(2, &all)
}

/// Bytes behind their length, which is written in so many bytes.
pub(crate) fn list(width: usize, bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[4 - width..], bytes].concat()
}
