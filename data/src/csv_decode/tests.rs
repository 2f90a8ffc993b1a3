//! Whoever reads a line, the values are the same, and so is whether there is an error.

use std::sync::Arc;

use arrow::array::{ArrayRef, make_comparator};
use arrow::compute::{SortOptions, concat};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use proptest::prelude::*;

use super::DecodeSpec;
use super::decoding::decode;
use super::piece::Piece;
use super::slow::SlowReader;
use crate::csv_dialect::CsvDialect;
use crate::schema::ColumnType;
use crate::spec::Compression;

fn dialect() -> CsvDialect {
    CsvDialect {
        header: false,
        delimiter: b',',
        quote: b'"',
        escape: None,
        comment: Some(b'#'),
        null_tokens: vec!["NA".to_string()],
        multiline: false,
        compression: Compression::None,
    }
}

/// Three fields of which two are taken, the second one first.
fn spec(types: (ColumnType, ColumnType), dialect: CsvDialect, drop: bool) -> Arc<DecodeSpec> {
    Arc::new(DecodeSpec {
        fields: ["a", "b", "c"].map(String::from).to_vec(),
        columns: vec![(1, "b".to_string(), types.0), (0, "a".to_string(), types.1)],
        drop: if drop { vec![1] } else { vec![] },
        dialect,
    })
}

/// All rows column by column, the reasons last; or that there is an error.
type Answer = Result<Vec<ArrayRef>, ()>;

fn joined(batches: Vec<Vec<ArrayRef>>) -> Vec<ArrayRef> {
    let columns = batches.first().map_or(0, Vec::len);
    let column = |i: usize| {
        let pieces: Vec<_> = batches.iter().map(|batch| batch[i].as_ref()).collect();
        concat(&pieces).unwrap()
    };
    (0..columns).map(column).collect()
}

/// The answer of arrow-csv alone.
fn plain(spec: &Arc<DecodeSpec>, text: &[u8], header: bool) -> Answer {
    let read = || -> datafusion::common::Result<Vec<Vec<ArrayRef>>> {
        let mut reader = SlowReader::new(Arc::clone(spec), header, 4);
        let (mut position, mut batches) = (0, Vec::new());
        while position < text.len() {
            position += reader.take(&text[position..])?;
            if reader.is_full() {
                batches.extend(reader.flush()?);
            }
        }
        reader.end()?;
        batches.extend(reader.flush()?);
        Ok(batches)
    };
    read().map(joined).map_err(|_| ())
}

/// The answer of the decoder, over pieces that end at `cuts`.
async fn decoded(spec: &Arc<DecodeSpec>, text: &[u8], cuts: &[u64], header: bool) -> Answer {
    let store = Arc::new(InMemory::new());
    let location = object_store::path::Path::from("f.csv");
    store.put(&location, text.to_vec().into()).await.unwrap();
    let size = text.len() as u64;
    let mut ends: Vec<u64> = cuts.iter().map(|cut| cut % (size + 1)).chain([size]).collect();
    ends.sort_unstable();
    let mut start = 0;
    let mut batches = Vec::new();
    for end in ends {
        let store = Arc::clone(&store) as Arc<dyn ObjectStore>;
        let piece = Piece::new(store, location.clone(), size, start..end);
        let some = decode(Arc::clone(spec), piece, header && start == 0, 4);
        batches.extend(some.try_collect::<Vec<_>>().await.map_err(|_| ())?);
        start = end;
    }
    Ok(joined(batches))
}

/// Equal bit for bit, where -0 is not 0 and NaN is NaN.
fn same(a: &[ArrayRef], b: &[ArrayRef]) -> bool {
    let equal = |(a, b): (&ArrayRef, &ArrayRef)| {
        let compare = make_comparator(a, b, SortOptions::default()).unwrap();
        a.len() == b.len() && (0..a.len()).all(|i| compare(i, i).is_eq())
    };
    // Without rows one of them may have no columns.
    let rows = |columns: &[ArrayRef]| columns.first().map_or(0, |column| column.len());
    (rows(a) == 0 && rows(b) == 0) || (a.len() == b.len() && a.iter().zip(b).all(equal))
}

fn check(spec: &Arc<DecodeSpec>, text: &[u8], cuts: &[u64], header: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let quick = runtime.block_on(decoded(spec, text, cuts, header));
    let slow = plain(spec, text, header);
    let agree = match (&quick, &slow) {
        (Ok(quick), Ok(slow)) => same(quick, slow),
        (Err(()), Err(())) => true,
        _ => false,
    };
    assert!(
        agree,
        "{:?} cut at {cuts:?}: {quick:?} against {slow:?}",
        String::from_utf8_lossy(text)
    );
}

fn field() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        "",
        "NA",
        "-0",
        "NaN",
        "Infinity",
        "-inf",
        "1e400",
        "1e-400",
        "4.9e-324",
        "1e-45",
        "+1",
        "0x10",
        "007",
        "1_000",
        " 1",
        "1 ",
        "1.",
        ".5",
        "true",
        "No",
        "\u{e9}",
        "a b",
        "\"1\"",
        "\"a,b\"",
        "\"\"",
        "\"a\"\"b\"",
        "a\"b",
        "2147483648",
        "9223372036854775808",
        "16777217",
        "1.00000005960464477540",
        "\u{a0}1",
        "\"1\" ",
    ]);
    prop_oneof![
        4 => any::<i32>().prop_map(|x| x.to_string()),
        4 => any::<f32>().prop_map(|x| x.to_string()),
        4 => (-1e6..1e6_f64).prop_map(|x| x.to_string()),
        2 => any::<f64>().prop_map(|x| format!("{x:e}")),
        2 => odd.prop_map(String::from),
    ]
}

fn line_end() -> impl Strategy<Value = String> {
    let ends = prop::sample::select(vec![
        "\n", "\n", "\n", "\n", "\r\n", "\r\n", "\n\n", "\r", "\n \n", "\n#x,\n",
    ]);
    ends.prop_map(String::from)
}

fn line() -> impl Strategy<Value = String> {
    let fields = prop_oneof![
        30 => prop::collection::vec(field(), 3..4),
        1 => prop::collection::vec(field(), 0..6),
    ];
    (fields, line_end()).prop_map(|(fields, end)| fields.join(",") + &end)
}

fn column_type() -> impl Strategy<Value = ColumnType> {
    prop::sample::select(vec![
        ColumnType::Double,
        ColumnType::Float,
        ColumnType::Double,
        ColumnType::String,
        ColumnType::Long,
        ColumnType::Int,
        ColumnType::Boolean,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_lines_are_read_alike(
        lines in prop::collection::vec(line(), 0..12),
        last in prop::collection::vec(field(), 0..4),
        types in (column_type(), column_type()),
        header: bool,
        drop: bool,
        number_like_token: bool,
    ) {
        let text = lines.concat() + &last.join(",");
        let mut dialect = dialect();
        dialect.header = header;
        if number_like_token {
            dialect.null_tokens.push("-0".to_string());
        }
        check(&spec(types, dialect, drop), text.as_bytes(), &[], header);
    }

    /// Where lines end is where newlines are, so quotes may not hide them.
    #[test]
    fn pieces_share_lines_out(
        rows in prop::collection::vec((any::<i16>(), -1e3..1e3_f64, "[a-z]{0,9}"), 0..20),
        end in prop::sample::select(vec!["\n", "\r\n"]),
        is_ended: bool,
        cuts in prop::collection::vec(any::<u64>(), 0..5),
        header: bool,
    ) {
        let mut text = if header { format!("a,b,c{end}") } else { String::new() };
        for (i, (a, b, c)) in rows.iter().enumerate() {
            text += &format!("{a},{b},{c}");
            if is_ended || i + 1 < rows.len() {
                text += end;
            }
        }
        let spec = spec((ColumnType::Double, ColumnType::String), dialect(), true);
        check(&spec, text.as_bytes(), &cuts, header);
    }

    #[test]
    fn any_bytes_are_read_alike(text in prop::collection::vec(prop_oneof![
        6 => prop::sample::select(b"0123456789-.,,\n\n\r\"eE +#aN".to_vec()),
        1 => any::<u8>(),
    ], 0..60), header: bool) {
        for types in [(ColumnType::Double, ColumnType::String), (ColumnType::String, ColumnType::Long)] {
            check(&spec(types, dialect(), false), &text, &[], header);
        }
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_value_and_part_of_later_ones() {
    let spec = spec((ColumnType::Double, ColumnType::String), dialect(), false);
    for header in [false, true] {
        for text in [
            "\u{feff}x,1,2\n3,4,5\n",
            "\u{feff}1,1,2\n\u{feff}3,4,5\n",
            "1,1,2\n3,\u{feff}4,5\n",
        ] {
            check(&spec, text.as_bytes(), &[], header);
        }
    }
}

#[test]
fn other_dialects_are_read_alike() {
    let types = (ColumnType::Double, ColumnType::String);
    for (delimiter, quote, escape) in [
        (b';', b'\'', None),
        (b'\t', b'"', Some(b'\\')),
        (b'.', b'"', None),
        (b'1', b'0', None),
    ] {
        let dialect = CsvDialect {
            delimiter,
            quote,
            escape,
            ..dialect()
        };
        let delimiter = char::from(delimiter).to_string();
        for line in [
            "1,2.5,3\n",
            "'a',2,3\n",
            "\"a\",2,3\n",
            "\"a\\\"b\",2,3\n",
            "\"a\",\"2\",3\n",
            "0a0,2,3\n",
        ] {
            let text = line.replace(',', &delimiter).repeat(5);
            check(&spec(types, dialect.clone(), false), text.as_bytes(), &[], false);
        }
    }
}
