use std::fmt;

/// Why a mail cannot be written. All are faults of what was put in: trying again does not help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MailError {
    /// The sender is not `address` or `Name <address>`.
    Sender,
    /// A value for the header of this name holds a control character, or something else that cannot stand there.
    Header(&'static str),
    /// A text cannot be drawn as a QR code.
    QrCode,
    /// There is nothing to tell: a QR mail without cards, or a mail to the manager about an order that needs nothing.
    Empty,
}

impl fmt::Display for MailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sender => f.write_str("the sender must be an address or Name <address>"),
            Self::Header(name) => write!(f, "the value for the header {name} holds a character that cannot stand there"),
            Self::QrCode => f.write_str("the text does not fit into a QR code"),
            Self::Empty => f.write_str("the mail would tell nothing"),
        }
    }
}

impl std::error::Error for MailError {}
