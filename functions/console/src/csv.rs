//! Lists as files for a spreadsheet.

/// The most lines of a file: an answer of Lambda ends at 6 MB.
pub const MOST: usize = 5_000;

/// Writes a file: a header and the lines below it.
pub fn write<'a>(header: impl IntoIterator<Item = &'a str>, lines: impl IntoIterator<Item = Vec<String>>) -> Vec<u8> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    // A buffer takes all that is written to it.
    let _ = writer.write_record(header);
    for line in lines {
        let _ = writer.write_record(line.iter().map(|cell| sound(cell)));
    }
    writer.into_inner().unwrap_or_default()
}

/// A cell that a spreadsheet would take for a formula is marked as text; a number is none.
fn sound(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err() {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        let cells = ["=1+1", "@SUM(A1)", "-1", "+88237", "a,\"b\"", "-1-1"].map(str::to_owned).to_vec();
        let file = String::from_utf8(write(["a", "b", "c", "d", "e", "f"], [cells])).unwrap();
        assert_eq!(file, "a,b,c,d,e,f\n'=1+1,'@SUM(A1),-1,+88237,\"a,\"\"b\"\"\",'-1-1\n");
    }
}
