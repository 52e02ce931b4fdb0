//! Partners and their balances.

use crate::App;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use simdock_api::{
    CreditView, Fields, PartnerView, Problem, idempotency_key, json, json_object, optional_idempotency_key, partner_id, replayed,
};
use simdock_domain::{Asked, MOST_MONEY, Money, short_hash};
use simdock_store::{Credit, Credited, Partner, PartnerChange, PartnerChanged, PartnerMade, Principal};

/// The most complimentary orders that a partner can be granted.
const MOST_GIFTS: u32 = 1_000_000;
/// The most alarm levels in one request.
const MOST_LEVELS: usize = 20;

impl App {
    pub(crate) async fn create_partner(&self, by: &str, request: &Request) -> Result<Response<Body>, Problem> {
        let key = optional_idempotency_key(request)?;
        let (mut fields, canonical) = json_object(request)?;
        let partner_id = fields.text("partnerId", 32)?;
        // It becomes a part of keys, and stands in paths.
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
        if !partner_id.bytes().all(plain) {
            return Err(Problem::invalid_field("partnerId", "must have 1 to 32 characters of a-z, 0-9, - and _"));
        }
        let display = fields.text("display", 100)?;
        let gift_quota = fields.optional_whole("giftQuota", 0, MOST_GIFTS)?.unwrap_or(0);
        fields.finish()?;
        let partner = Partner { partner_id, display, gift_quota, gifts: 0 };
        let made = match key {
            Some(key) => {
                let asked = Asked { key: short_hash(&["partner", by, key]), fingerprint: short_hash(&[&canonical]) };
                self.store.put_partner_once(&asked, &partner, by).await?
            }
            None if self.store.put_partner(&partner, by).await? => PartnerMade::Now,
            None => PartnerMade::Taken,
        };
        match made {
            PartnerMade::Now => self.shown(StatusCode::CREATED, &partner.partner_id).await,
            PartnerMade::Before(id) => Ok(replayed(self.shown(StatusCode::OK, &id).await?)),
            PartnerMade::KeyReused => Err(Problem::idempotency_key_reused()),
            PartnerMade::Taken => Err(Problem::not_possible("partner_exists", "There is a partner with this id already.")),
        }
    }

    pub(crate) async fn change_partner(
        &self,
        principal: &Principal,
        by: &str,
        request: &Request,
    ) -> Result<Response<Body>, Problem> {
        let id = partner_id(principal, request)?;
        let (mut fields, _) = json_object(request)?;
        let mut change = PartnerChange::default();
        if let Some(mut before) = fields.optional_object("corrects")? {
            change.was_display = before.optional_text("display", 100)?;
            change.was_gift_quota = before.optional_whole("giftQuota", 0, MOST_GIFTS)?;
            change.was_alarm_levels = alarm_levels(&mut before)?;
            before.finish()?;
        }
        let change = PartnerChange {
            display: fields.optional_text("display", 100)?,
            gift_quota: fields.optional_whole("giftQuota", 0, MOST_GIFTS)?,
            alarm_levels: alarm_levels(&mut fields)?,
            ..change
        };
        fields.finish()?;
        if change.display.is_none() && change.gift_quota.is_none() && change.alarm_levels.is_empty() {
            return Err(Problem::missing_field("display, giftQuota or alarmLevels"));
        }
        match self.store.change_partner(&id, &change, by).await? {
            PartnerChanged::Now => self.shown(StatusCode::OK, &id).await,
            PartnerChanged::NoPartner => Err(Problem::not_found("partner")),
            PartnerChanged::Other => Err(Problem::partner_conflict()),
        }
    }

    async fn shown(&self, status: StatusCode, id: &str) -> Result<Response<Body>, Problem> {
        let account = self.store.account(id).await?.ok_or_else(|| Problem::not_found("partner"))?;
        Ok(json(status, &PartnerView::from(account)))
    }

    pub(crate) async fn credit(&self, principal: &Principal, by: &str, request: &Request) -> Result<Response<Body>, Problem> {
        let id = partner_id(principal, request)?;
        let key = idempotency_key(request)?;
        let (mut fields, _) = json_object(request)?;
        let amount = fields.object("amount")?.money(-MOST_MONEY, MOST_MONEY)?;
        if amount.amount == 0 {
            return Err(Problem::invalid_field("amount.amount", "must not be 0"));
        }
        let note = fields.text("note", 200)?;
        fields.finish()?;
        if self.store.partner(&id).await?.is_none() {
            return Err(Problem::not_found("partner"));
        }
        let reference = format!("credit#{}", short_hash(&["credit", by, key]));
        let credit = Credit::new(&id, amount, &reference).by(by, &note);
        let before = match self.store.credit(&credit).await? {
            Credited::Now => false,
            Credited::Before(before) if before.amount == amount && before.note.as_ref() == Some(&note) => true,
            Credited::Before(_) => return Err(Problem::idempotency_key_reused()),
            Credited::TooLow => {
                return Err(Problem::not_possible("balance_too_low", "The balance would be below zero."));
            }
        };
        let balance = self.store.balance(&id, amount.currency).await?;
        let credit = CreditView { reference, balance };
        Ok(if before { replayed(json(StatusCode::OK, &credit)) } else { json(StatusCode::CREATED, &credit) })
    }
}

/// Levels below which balances are low, one for each currency.
fn alarm_levels(fields: &mut Fields) -> Result<Vec<Money>, Problem> {
    let mut levels: Vec<Money> = Vec::new();
    for level in fields.objects("alarmLevels", MOST_LEVELS)?.unwrap_or_default() {
        let currency = level.path("currency");
        let level = level.money(0, MOST_MONEY)?;
        if levels.iter().any(|other| other.currency == level.currency) {
            return Err(Problem::invalid_field(currency, "has a level in this list already"));
        }
        levels.push(level);
    }
    Ok(levels)
}
