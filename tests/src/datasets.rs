//! Generated data: seeded, with a known true model, as CSV and as Parquet, and jobs that train on them.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

/// Rows in a Parquet row group.
const GROUP_ROWS: usize = 10_000;

/// Rows with an id, a key, a category, four numbers and a label of two or three classes.
#[derive(Debug, Clone, Copy)]
pub struct Dataset {
    /// How many rows.
    pub rows: usize,
    /// Classes of the label.
    pub classes: i32,
    /// The seed.
    pub seed: u64,
}

#[derive(Debug, Clone)]
struct Row {
    id: i64,
    key: i64,
    category: &'static str,
    x: [f64; 4],
    label: i32,
}

impl Dataset {
    fn generate(&self) -> impl Iterator<Item = Row> {
        let mut state = self.seed.wrapping_mul(2).wrapping_add(1);
        let classes = self.classes;
        // xorshift64*: reproducible everywhere, good enough for noise.
        let mut uniform = move || {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 * 2f64.powi(-53)
        };
        (0..self.rows).map(move |i| {
            let x = [
                uniform() * 4.0 - 2.0,
                uniform() * 100.0,
                uniform() - 0.5,
                uniform() * 1e-3,
            ];
            let category = ["red", "green", "blue", "grey"][(uniform() * 4.0) as usize];
            let score =
                x[0] + 0.02 * (x[1] - 50.0) - 2.0 * x[2] + 800.0 * (x[3] - 5e-4) + uniform() * 4.0 - 2.0;
            let step = 3.0 / f64::from(classes);
            let label = (((score + 1.5) / step).floor() as i32).clamp(0, classes - 1);
            Row {
                id: i as i64,
                key: (uniform() * 1000.0) as i64,
                category,
                x,
                label,
            }
        })
    }

    /// Writes the rows as one CSV file.
    pub fn write_csv(&self, path: &Path) {
        let mut file = BufWriter::new(File::create(path).expect("a file"));
        writeln!(file, "id,key,category,x0,x1,x2,x3,label").expect("a line");
        for row in self.generate() {
            let [x0, x1, x2, x3] = row.x;
            let Row {
                id,
                key,
                category,
                label,
                ..
            } = row;
            writeln!(file, "{id},{key},{category},{x0},{x1},{x2},{x3},{label}").expect("a line");
        }
        file.flush().expect("the file is written");
    }

    /// Writes the rows as one Parquet file with row groups of 10,000 rows.
    pub fn write_parquet(&self, path: &Path) {
        let rows: Vec<Row> = self.generate().collect();
        let number =
            |j: usize| Arc::new(Float64Array::from_iter_values(rows.iter().map(|r| r.x[j]))) as ArrayRef;
        let columns: Vec<(&str, ArrayRef)> = vec![
            (
                "id",
                Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.id))),
            ),
            (
                "key",
                Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.key))),
            ),
            (
                "category",
                Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.category))),
            ),
            ("x0", number(0)),
            ("x1", number(1)),
            ("x2", number(2)),
            ("x3", number(3)),
            (
                "label",
                Arc::new(Int32Array::from_iter_values(rows.iter().map(|r| r.label))),
            ),
        ];
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let file = File::create(path).expect("a file");
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a writer");
        writer.write(&batch).expect("rows");
        writer.close().expect("the file is written");
    }
}

/// Writes `name.gz` beside a file.
pub fn write_gzip(file: &Path) {
    let name = format!("{}.gz", file.display());
    let packed = File::create(name).expect("a file");
    let mut encoder = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    std::io::copy(&mut File::open(file).expect("the file"), &mut encoder).expect("bytes");
    encoder.finish().expect("the file is written");
}

/// Writes `points.csv`, `points.parquet`, `keys.csv` and three jobs over them into `folder`: `csv.toml`,
/// `parquet.toml` and `join.toml`. Each job trains twice, with and without an L1 penalty.
pub fn write_jobs(folder: &Path, dataset: Dataset) -> [PathBuf; 3] {
    dataset.write_csv(&folder.join("points.csv"));
    dataset.write_parquet(&folder.join("points.parquet"));
    let mut keys = BufWriter::new(File::create(folder.join("keys.csv")).expect("a file"));
    writeln!(keys, "key,boost").expect("a line");
    for key in 0..900 {
        writeln!(keys, "{key},{}", f64::from(key) / 900.0).expect("a line");
    }
    keys.flush().expect("the file is written");

    let columns = "columns = { id = \"long\", key = \"long\", category = \"string\", x0 = \"float\", x1 = \"double\", \
                   x2 = \"double\", x3 = \"double\", label = \"int\" }";
    let source = |file: &str| format!("[data.sources.points]\npath = \"{file}\"\n{columns}\n");
    let sql = "sql = \"\"\"select p.id, p.category, p.x0, p.x1, p.x2, p.x3, p.label, k.boost\n\
               from points p join keys k on p.key = k.key\"\"\"\n";
    let keys = "[data.sources.keys]\npath = \"keys.csv\"\ncolumns = { key = \"long\", boost = \"double\" }\n";
    [
        write_job(folder, "csv", "", &source("points.csv"), ""),
        write_job(folder, "parquet", "", &source("points.parquet"), ""),
        write_job(
            folder,
            "join",
            sql,
            &format!("{}{keys}", source("points.csv")),
            "\"boost\", ",
        ),
    ]
}

fn write_job(folder: &Path, name: &str, data: &str, sources: &str, more_features: &str) -> PathBuf {
    let text = format!(
        "[job]\nname = \"{name}\"\n\n[data]\npartition_bytes = \"400 kB\"\ndrop_nulls = true\n{data}{sources}\n\
         [split]\nmethod = \"row\"\nweights = [0.8, 0.2]\nseed = 7\n\n\
         [[stages]]\ntype = \"StringIndexer\"\ninput = \"category\"\noutput = \"categoryIdx\"\n\n\
         [[stages]]\ntype = \"VectorAssembler\"\ninputs = [{more_features}\"categoryIdx\", \"x0\", \"x1\", \"x2\", \"x3\"]\n\
         output = \"raw\"\n\n\
         [[stages]]\ntype = \"MinMaxScaler\"\ninput = \"raw\"\noutput = \"features\"\n\n\
         [training]\nlabel = \"label\"\nfeatures = \"features\"\n\n\
         [[runs]]\nmax_iter = 12\nreg_param = 0.001\n\n\
         [[runs]]\nmax_iter = 8\nreg_param = 0.01\nelastic_net_param = 0.5\n"
    );
    let path = folder.join(format!("{name}.toml"));
    std::fs::write(&path, text).expect("the job is written");
    path
}
