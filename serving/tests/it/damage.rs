//! Binary bodies in which single bits are wrong, and small ones that stand for very much: refused with a reason, soon, and without
//! taking much memory.

use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float32Array, Float64Array, Int32Array, Int64Array, NullArray,
    RecordBatch, StringArray, StringViewArray,
};
use arrow::datatypes::Int32Type;
use arrow_ipc::writer::{FileWriter, StreamWriter};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{WriterProperties, WriterVersion};
use rookery_serving::Scorer;

use crate::asking::ask_of;
use crate::models::strict_birds;

const PARQUET: &str = "application/vnd.apache.parquet";
const STREAM: &str = "application/vnd.apache.arrow.stream";
const FILE: &str = "application/vnd.apache.arrow.file";
/// Longest that one body may take; what is small takes a millisecond.
const SOON: Duration = Duration::from_secs(5);
/// Most memory that the tests of this program may have taken at any time, in KiB.
const MEMORY_KIB: u64 = 1 << 20;

/// Three rows in types that bodies may have, with `island` as it is given.
fn batch(island: ArrayRef) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("island", island),
        ("length", Arc::new(Float32Array::from(vec![48.7, 39.1, 46.5]))),
        (
            "mass",
            Arc::new(Float64Array::from(vec![Some(4450.0), None, Some(1.0)])),
        ),
        ("adult", Arc::new(BooleanArray::from(vec![true, false, true]))),
        ("other", Arc::new(Int64Array::from(vec![1, 2, 3]))),
    ];
    RecordBatch::try_from_iter(columns).expect("equal lengths")
}

fn islands() -> [ArrayRef; 3] {
    let names = ["Biscoe", "Dream", "an island with a name that fits into no view"];
    let dictionary: DictionaryArray<Int32Type> = names.into_iter().collect();
    [
        Arc::new(StringArray::from(names.to_vec())),
        Arc::new(StringViewArray::from(names.to_vec())),
        Arc::new(dictionary),
    ]
}

fn stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut writer = StreamWriter::try_new(&mut body, &batches[0].schema()).expect("a schema");
    batches
        .iter()
        .for_each(|batch| writer.write(batch).expect("written"));
    writer.finish().expect("written");
    drop(writer);
    body
}

fn file(batches: &[RecordBatch]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut writer = FileWriter::try_new(&mut body, &batches[0].schema()).expect("a schema");
    batches
        .iter()
        .for_each(|batch| writer.write(batch).expect("written"));
    writer.finish().expect("written");
    drop(writer);
    body
}

fn parquet(batch: &RecordBatch, properties: WriterProperties) -> Vec<u8> {
    let mut body = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut body, batch.schema(), Some(properties)).expect("a schema");
    writer.write(batch).expect("written");
    writer.close().expect("written");
    body
}

/// Asks, and looks at the time and at the kind of the answer.
fn check(scorer: &Scorer, content_type: &str, body: &[u8], what: &str) -> Result<(), String> {
    let began = Instant::now();
    let answered = ask_of(scorer, Some(content_type), None, body);
    assert!(began.elapsed() < SOON, "{what} took {:?}", began.elapsed());
    answered.map(drop).map_err(|refused| {
        assert!(
            (400..500).contains(&refused.status) && !refused.message.is_empty(),
            "{what}: {refused}"
        );
        refused.message
    })
}

/// The most memory that this program has had, in KiB; `None` where the system does not say.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

fn assert_memory(what: &str) {
    if let Some(peak) = peak_kib() {
        assert!(peak < MEMORY_KIB, "{what}: {peak} KiB");
    }
}

/// Flips the bits of the body one after the other; returns the refusals.
fn flip(scorer: &Scorer, content_type: &str, body: &[u8], what: &str) -> Vec<String> {
    hush_readers();
    let refused = check(scorer, content_type, body, what).expect_err("rows that the model refuses");
    assert!(
        refused.contains("the rows can't be scored"),
        "{what} is read: {refused}"
    );
    let mut refusals = Vec::new();
    for place in 0..body.len() {
        for bit in 0..8 {
            let mut damaged = body.to_vec();
            damaged[place] ^= 1 << bit;
            let what = format!("{what}, bit {bit} of byte {place}");
            refusals.extend(check(scorer, content_type, &damaged, &what).err());
        }
    }
    assert!(refusals.len() > body.len(), "{what}: {} refusals", refusals.len());
    assert_memory(what);
    refusals
}

/// Readers of binary formats panic on damaged bodies, which their requests survive; here only our own panics are told of.
fn hush_readers() {
    static HUSHED: Once = Once::new();
    HUSHED.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let is_ours = panic
                .location()
                .is_none_or(|place| !place.file().contains("/registry/"));
            if is_ours {
                tell(panic);
            }
        }));
    });
}

#[test]
fn flipped_bits_in_arrow_streams_and_files() {
    let scorer = Scorer::new(strict_birds());
    for (island, name) in islands().into_iter().zip(["texts", "views", "a dictionary"]) {
        let batches = [batch(Arc::clone(&island)), batch(island)];
        flip(&scorer, STREAM, &stream(&batches), &format!("a stream of {name}"));
        flip(&scorer, FILE, &file(&batches), &format!("a file of {name}"));
    }
}

#[test]
fn flipped_bits_in_parquet() {
    let scorer = Scorer::new(strict_birds());
    let [texts, ..] = islands();
    let plain = WriterProperties::builder().set_dictionary_enabled(false).build();
    let packed = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(2))
        .build();
    let second = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_compression(Compression::SNAPPY)
        .build();
    for (properties, name) in [
        (plain, "plain Parquet"),
        (packed, "packed Parquet in two groups"),
        (second, "Parquet of version 2"),
    ] {
        let body = parquet(&batch(Arc::clone(&texts)), properties);
        let refusals = flip(&scorer, PARQUET, &body, name);
        if name == "plain Parquet" {
            // One bit more, and it is said to be compressed in a way whose reader unpacks whatever there is.
            let is_gzip = |refused: &String| refused.contains("compressed with GZIP");
            assert!(refusals.iter().any(is_gzip));
        }
    }
}

/// `rows` rows of which each is the same.
fn many(rows: usize, island: ArrayRef) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("island", island),
        ("length", Arc::new(NullArray::new(rows))),
        ("mass", Arc::new(NullArray::new(rows))),
        ("adult", Arc::new(NullArray::new(rows))),
    ];
    RecordBatch::try_from_iter(columns).expect("equal lengths")
}

#[test]
fn a_small_body_that_stands_for_very_much_is_refused() {
    let scorer = Scorer::new(strict_birds());
    let rows = 3_000_000;
    // No value takes a byte.
    let nulls = many(rows, Arc::new(NullArray::new(rows)));
    let body = stream(std::slice::from_ref(&nulls));
    assert!(body.len() < 10_000);
    let refused = check(&scorer, STREAM, &body, "nulls in a stream").expect_err("too many");
    assert!(
        refused.contains("3000000 rows, of which at most 1000000"),
        "{refused}"
    );

    let equal = many(
        rows,
        Arc::new(StringArray::from_iter_values(std::iter::repeat_n("Biscoe", rows))),
    );
    let body = parquet(&equal, WriterProperties::default());
    assert!(body.len() < 100_000, "{}", body.len());
    let refused = check(&scorer, PARQUET, &body, "equal rows in Parquet").expect_err("too many");
    assert!(
        refused.contains("3000000 rows, of which at most 1000000"),
        "{refused}"
    );

    // A text of a megabyte that is there once, and meant four thousand times.
    let long = "long ".repeat(200_000);
    let rows = 4_000;
    let texts = StringArray::from(vec![long]);
    let dictionary = DictionaryArray::new(Int32Array::from(vec![0; rows]), Arc::new(texts));
    let repeated = many(rows, Arc::new(dictionary));
    let body = stream(std::slice::from_ref(&repeated));
    assert!(body.len() < 2_000_000);
    let refused = check(&scorer, STREAM, &body, "one text in a stream").expect_err("too much");
    assert!(refused.contains("takes more than 268435456 bytes"), "{refused}");
    let body = parquet(&repeated, WriterProperties::default());
    assert!(body.len() < 4_000_000, "{}", body.len());
    let refused = check(&scorer, PARQUET, &body, "one text in Parquet").expect_err("too much");
    assert!(refused.contains("takes more than 268435456 bytes"), "{refused}");
    assert_memory("bodies that stand for much");
}

#[test]
fn what_a_reader_would_allocate_is_looked_at_first() {
    let scorer = Scorer::new(strict_birds());
    // A footer that announces 2^31 - 1 row groups.
    let footer = [0x49, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0, 0];
    let mut body = b"PAR1".to_vec();
    body.extend(footer);
    body.extend((footer.len() as u32).to_le_bytes());
    body.extend(b"PAR1");
    let refused = check(&scorer, PARQUET, &body, "row groups").expect_err("there are none");
    assert!(refused.contains("ends within a list"), "{refused}");
}
