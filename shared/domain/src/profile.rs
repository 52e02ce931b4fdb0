//! What became of a card on a phone.

use crate::{Eid, Rejected, Timestamp};
use serde::{Deserialize, Serialize};

/// What became of a card on a phone, as far as its carrier or an app told. Reports come late, twice and in any order; where the
/// card stands is what the newest says, by its source's time; of two in the same second, the one further on in a profile's life.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// When it was first installed.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub installed_at: Option<Timestamp>,
    /// The eUICC that it is bound to from then on.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub eid: Option<Eid>,
    /// How it came onto the phone.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Via>,
    /// Where it stands, and since when.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub state: Option<(ProfileState, Timestamp)>,
}

/// Where a profile stands on its eUICC (SGP.22: installed and enabled, disabled, deleted).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ProfileState {
    /// It is there and can be used.
    #[serde(rename = "i")]
    Installed,
    /// It is there and switched off.
    #[serde(rename = "d")]
    Disabled,
    /// It was removed; the same eUICC can install it again.
    #[serde(rename = "x")]
    Deleted,
}

/// How a profile comes onto a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Via {
    /// By the QR code, or typed in.
    #[serde(rename = "q")]
    Qr,
    /// An app used the eSIM API of iOS: nobody needs the QR code.
    #[serde(rename = "i")]
    IosApi,
    /// An app used the eSIM API of Android: nobody needs the QR code.
    #[serde(rename = "a")]
    AndroidApi,
}

wire_names!(ProfileState { Installed => "installed", Disabled => "disabled", Deleted => "deleted", });
wire_names!(Via { Qr => "qr", IosApi => "ios_api", AndroidApi => "android_api", });

impl Profile {
    /// Takes in that the profile was in a state at `at`. A card that was installed stays bound to the eUICC that it was installed
    /// on, which is why an install on another one is not believed (order seed, "eSIM orders").
    pub fn reported(&self, state: ProfileState, eid: Option<&Eid>, via: Option<Via>, at: Timestamp) -> Result<Self, Rejected> {
        if let (Some(known), Some(eid)) = (&self.eid, eid)
            && known != eid
        {
            return Err(Rejected::OtherDevice);
        }
        let mut next = self.clone();
        if state == ProfileState::Installed {
            if next.installed_at.is_none_or(|known| at < known) {
                next.installed_at = Some(at);
                next.via = via.or(next.via);
            }
            next.eid = next.eid.or_else(|| eid.cloned());
        }
        if next.state.is_none_or(|(state_then, then)| (then, state_then) < (at, state)) {
            next.state = Some((state, at));
        }
        if next == *self { Err(Rejected::Done) } else { Ok(next) }
    }
}
