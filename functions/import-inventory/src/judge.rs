//! Which lines of a file can go into stock, and what is wrong with the others.

use csv::{ReaderBuilder, StringRecord};
use simdock_api::Problem;
use simdock_domain::{ActivationCode, FormFactor, Iccid, PoolId, Timestamp};
use simdock_store::{ImportError, ImportLine, NewCard, Provisioning, Store, Taken};
use std::collections::{BTreeMap, HashMap};

/// How many lines a file may have: with a code in each, 5 MB hold no more.
const MAX_LINES: usize = 100_000;
/// The longest reason in bytes: it may repeat what stands in the file, and a thousand of them have to fit into one item.
const MAX_REASON: usize = 200;

/// What holds for lines that do not say otherwise.
pub struct Defaults {
    /// Who issued the cards.
    pub operator: Option<String>,
    /// Their IMSI profile.
    pub imsi_profile: Option<String>,
    /// What they are.
    pub form_factor: FormFactor,
}

/// The lines, told apart.
pub struct Verdict {
    /// Can go in.
    pub good: Vec<ImportLine>,
    /// Cannot.
    pub errors: Vec<ImportError>,
}

/// What a column holds. Suppliers name columns in their own ways; case, spaces, `_`, `-` and `+` do not matter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Column {
    Iccid,
    Code,
    SmDpAddress,
    MatchingId,
    MobileNumber,
    ActivateBefore,
    Operator,
    ImsiProfile,
    FormFactor,
}

const NAMES: &[(&str, Column)] = &[
    ("iccid", Column::Iccid),
    ("code", Column::Code),
    ("lpa", Column::Code),
    ("lpacode", Column::Code),
    ("lpastring", Column::Code),
    ("qrcode", Column::Code),
    ("smdpaddress", Column::SmDpAddress),
    ("smdp", Column::SmDpAddress),
    ("activationcode", Column::MatchingId),
    ("matchingid", Column::MatchingId),
    ("mobilenumber", Column::MobileNumber),
    ("msisdn", Column::MobileNumber),
    ("activatebefore", Column::ActivateBefore),
    ("operator", Column::Operator),
    ("imsiprofile", Column::ImsiProfile),
    ("profile", Column::ImsiProfile),
    ("formfactor", Column::FormFactor),
];

/// A reason for which a line cannot go in.
struct Fault {
    code: &'static str,
    reason: String,
}

fn fault(code: &'static str, reason: impl std::fmt::Display) -> Fault {
    Fault { code, reason: reason.to_string() }
}

/// Judges every line; the header, if it cannot be used, refuses the whole file.
pub async fn judge(store: &Store, file: &str, defaults: &Defaults, now: Timestamp) -> Result<Verdict, Problem> {
    let file = file.strip_prefix('\u{feff}').unwrap_or(file).replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = Lines { file: &file, at: 0, line: 1 };
    let delimiter = delimiter(file.lines().next().unwrap_or_default());
    let mut reader = ReaderBuilder::new().delimiter(delimiter).flexible(true).trim(csv::Trim::All).from_reader(file.as_bytes());
    let headers = reader.headers().map_err(|_| Problem::invalid_csv("The header cannot be read."))?.clone();
    let columns = columns(&headers)?;

    let mut good: Vec<ImportLine> = Vec::new();
    let mut errors: Vec<ImportError> = Vec::new();
    let mut seen: HashMap<Iccid, usize> = HashMap::new();
    let mut profiles: HashMap<String, usize> = HashMap::new();
    let mut operators: BTreeMap<String, Option<Provisioning>> = BTreeMap::new();
    for record in reader.records() {
        if good.len() + errors.len() == MAX_LINES {
            return Err(Problem::invalid_csv(format!("The file has more than {MAX_LINES} lines; send it in parts.")));
        }
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = lines.of(error.position());
                errors.push(error_at(line, None, fault("unreadable", "the line cannot be read as CSV")));
                continue;
            }
        };
        let line = lines.of(record.position());
        let fields = Fields { record: &record, columns: &columns };
        let iccid = fields.get(Column::Iccid).map(|text| text.chars().take(32).collect());
        let mut card = if record.len() == headers.len() {
            read_card(&fields, defaults, now)
        } else {
            Err(fault("columns", format!("has {} columns where the header has {}", record.len(), headers.len())))
        };
        if let Ok(read) = &card {
            let name = read.pool.operator.clone();
            if !operators.contains_key(&name) {
                let found = store.operator(&name).await?.map(|operator| operator.provisioning);
                operators.insert(name.clone(), found);
            }
            let provisioning = operators[&name];
            card = card.and_then(|read| fits_operator(read, provisioning)).and_then(|read| {
                match *seen.entry(read.iccid.clone()).or_insert(line) {
                    first if first == line => Ok(read),
                    first => Err(fault("duplicate", format!("the card stands in line {first} already"))),
                }
            });
            // Two cards with one code would be one profile sold twice.
            card = card.and_then(|read| match read.profile_id().map(|profile| *profiles.entry(profile).or_insert(line)) {
                Some(first) if first != line => Err(fault("duplicate_code", format!("the code stands in line {first} already"))),
                _ => Ok(read),
            });
        }
        match card {
            Ok(card) => good.push(ImportLine { line, card }),
            Err(fault) => errors.push(error_at(line, iccid, fault)),
        }
    }

    let taken = store.taken(&good.iter().map(|line| &line.card).collect::<Vec<_>>()).await?;
    errors.extend(good.iter().filter_map(|ImportLine { line, card }| {
        let fault = match taken.get(&card.iccid)? {
            Taken::Card => fault("already_in_stock", "the card came in before"),
            Taken::Code(holder) => fault("duplicate_code", format!("the code came in before, with card {holder}")),
        };
        Some(error_at(*line, Some(card.iccid.to_string()), fault))
    }));
    good.retain(|line| !taken.contains_key(&line.card.iccid));
    errors.sort_by_key(|error| error.line);
    Ok(Verdict { good, errors })
}

/// Counts the lines of a file as an editor does. The reader's own count stops at the end of the record before, ahead of blank
/// lines.
struct Lines<'a> {
    file: &'a str,
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line in which the record begins that is read from a position; positions only grow.
    fn of(&mut self, position: Option<&csv::Position>) -> usize {
        let from = position.and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(self.at);
        let rest = &self.file[from..];
        let begin = from + rest.len() - rest.trim_start_matches('\n').len();
        self.line += self.file[self.at..begin].matches('\n').count();
        self.at = begin;
        self.line
    }
}

fn error_at(line: usize, iccid: Option<String>, fault: Fault) -> ImportError {
    let mut reason = fault.reason;
    reason.truncate(reason.floor_char_boundary(MAX_REASON));
    ImportError { line, iccid, code: fault.code.to_owned(), reason }
}

/// What the header's columns are set apart by.
fn delimiter(header: &str) -> u8 {
    [b',', b';', b'\t'].into_iter().max_by_key(|delimiter| header.bytes().filter(|byte| byte == delimiter).count()).map_or(
        b',',
        |most| {
            if header.as_bytes().contains(&most) { most } else { b',' }
        },
    )
}

fn columns(headers: &StringRecord) -> Result<HashMap<Column, usize>, Problem> {
    let mut columns = HashMap::new();
    for (index, header) in headers.iter().enumerate() {
        let plain: String =
            header.chars().filter(|character| !matches!(character, ' ' | '_' | '-' | '+')).flat_map(char::to_lowercase).collect();
        let Some((_, column)) = NAMES.iter().find(|(name, _)| *name == plain) else {
            let header: String = header.chars().filter(|character| !character.is_control()).take(64).collect();
            return Err(Problem::invalid_csv(format!("The header names a column “{header}” that is not known.")));
        };
        if columns.insert(*column, index).is_some() {
            return Err(Problem::invalid_csv(format!("The header names the column “{header}” twice.")));
        }
    }
    if columns.contains_key(&Column::Iccid) {
        Ok(columns)
    } else {
        Err(Problem::invalid_csv("The first line must be a header with a column iccid."))
    }
}

struct Fields<'a> {
    record: &'a StringRecord,
    columns: &'a HashMap<Column, usize>,
}

impl<'a> Fields<'a> {
    fn get(&self, column: Column) -> Option<&'a str> {
        self.record.get(*self.columns.get(&column)?).filter(|text| !text.is_empty())
    }
}

fn read_card(fields: &Fields<'_>, defaults: &Defaults, now: Timestamp) -> Result<NewCard, Fault> {
    let iccid: Iccid = fields.get(Column::Iccid).unwrap_or_default().parse().map_err(|error| fault(iccid_code(error), error))?;
    let form_factor = match fields.get(Column::FormFactor) {
        None => defaults.form_factor,
        Some(text) => text.to_ascii_lowercase().parse().map_err(|reason: String| fault("form_factor", reason))?,
    };
    let operator = fields.get(Column::Operator).or(defaults.operator.as_deref());
    let operator = operator.ok_or_else(|| fault("operator", "no operator in the line or in the request"))?;
    let imsi_profile = fields.get(Column::ImsiProfile).or(defaults.imsi_profile.as_deref());
    let imsi_profile = imsi_profile.ok_or_else(|| fault("imsi_profile", "no IMSI profile in the line or in the request"))?;
    let pool = PoolId::new(operator, imsi_profile, form_factor).map_err(|reason| fault("pool", reason))?;
    let activate_before = fields.get(Column::ActivateBefore).map(|text| deadline(text, now)).transpose()?;
    let msisdn = fields.get(Column::MobileNumber).map(str::parse).transpose().map_err(|error| fault("mobile_number", error))?;
    Ok(NewCard { iccid, pool, activation_code: activation_code(fields)?, msisdn, activate_before })
}

fn iccid_code(error: simdock_domain::IccidError) -> &'static str {
    use simdock_domain::IccidError;
    match error {
        IccidError::Empty => "iccid_missing",
        IccidError::NotDigits => "iccid_not_digits",
        IccidError::Length => "iccid_length",
        IccidError::Prefix => "iccid_prefix",
        IccidError::Luhn => "iccid_luhn",
    }
}

/// The code, from one column or from its parts. A whole code in the column of the matching id counts as a whole code.
fn activation_code(fields: &Fields<'_>) -> Result<Option<ActivationCode>, Fault> {
    let matching_id = fields.get(Column::MatchingId);
    let whole = fields.get(Column::Code).or(matching_id.filter(|text| text.contains('$')));
    let parsed = match (whole, fields.get(Column::SmDpAddress), matching_id) {
        (Some(whole), address, _) => {
            let code: ActivationCode = whole.parse().map_err(|error| fault("code", error))?;
            let parts = (address, matching_id.filter(|text| !text.contains('$')));
            let agrees = parts.0.is_none_or(|address| address.eq_ignore_ascii_case(code.sm_dp_address()))
                && parts.1.is_none_or(|matching_id| matching_id == code.matching_id());
            if !agrees {
                return Err(fault("code", "the code and its parts in other columns do not agree"));
            }
            Some(code)
        }
        (None, Some(address), matching_id) => Some(
            ActivationCode::new(address, matching_id.unwrap_or_default(), None, false).map_err(|error| fault("code", error))?,
        ),
        (None, None, Some(_)) => return Err(fault("code", "an activation code without its SM-DP+ address")),
        (None, None, None) => None,
    };
    Ok(parsed)
}

fn deadline(text: &str, now: Timestamp) -> Result<Timestamp, Fault> {
    // A bare date means until its beginning, in UTC: late by no one's clock.
    let time = text.parse::<Timestamp>().or_else(|_| format!("{text}T00:00:00Z").parse());
    let time = time.map_err(|_| fault("activate_before", "is neither a date such as 2027-03-01 nor an RFC 3339 time"))?;
    if time <= now { Err(fault("activate_before", "the deadline is over")) } else { Ok(time) }
}

fn fits_operator(card: NewCard, provisioning: Option<Provisioning>) -> Result<NewCard, Fault> {
    let esim_without_code = card.pool.form_factor == FormFactor::Esim && card.activation_code.is_none();
    match provisioning {
        None => Err(fault("operator", format!("operator {} is not known", card.pool.operator))),
        Some(Provisioning::Preloaded) if esim_without_code => Err(fault("code", "an eSIM needs its activation code")),
        Some(Provisioning::Preloaded | Provisioning::Http) => Ok(card),
    }
}
