//! What each operator computes, as the standard says it for the shapes that occur here.

use super::compile::Operator;
use super::element;
use super::tensor::{Data, Tensor, elements};
use crate::{Format, FormatError};

/// Most multiplications in a product of matrices.
const MAX_PRODUCTS: usize = 1 << 36;

type Result<T> = std::result::Result<T, FormatError>;

/// Carries an operator out. The number of inputs has been checked.
pub(super) fn apply(operator: &Operator, inputs: &[&Tensor]) -> Result<Tensor> {
    let first = inputs[0];
    match operator {
        Operator::Add => arithmetic(first, inputs[1], |a, b| a + b),
        Operator::Sub => arithmetic(first, inputs[1], |a, b| a - b),
        Operator::Mul => arithmetic(first, inputs[1], |a, b| a * b),
        Operator::Div => arithmetic(first, inputs[1], |a, b| a / b),
        Operator::And => {
            let (a, b) = (first.bools()?, inputs[1].bools()?);
            let (shape, pairs) = broadcast(first, inputs[1])?;
            Tensor::new(shape, Data::Bool(pairs.map(|(i, j)| a[i] && b[j]).collect()))
        }
        Operator::Equal => compare(first, inputs[1], |a, b| a == b, |a, b| a == b),
        Operator::Greater => compare(first, inputs[1], |a, b| a > b, |a, b| a > b),
        Operator::Less => compare(first, inputs[1], |a, b| a < b, |a, b| a < b),
        Operator::Not => Tensor::new(
            first.shape.clone(),
            Data::Bool(first.bools()?.iter().map(|b| !b).collect()),
        ),
        Operator::Exp => each(first, libm::exp),
        Operator::IsNan => {
            let missing = first.data_numbers()?.iter().map(|value| value.is_nan());
            Tensor::new(first.shape.clone(), Data::Bool(missing.collect()))
        }
        Operator::Identity => Ok(first.clone()),
        Operator::Cast(to) => cast(first, *to),
        Operator::LabelEncoder { index_of, default } => {
            let Data::Text(texts) = &first.data else {
                return Err(Format::Onnx.invalid("a LabelEncoder of something else than texts"));
            };
            let index = |text: &String| index_of.get(text).copied().unwrap_or(*default);
            Tensor::new(first.shape.clone(), Data::Int(texts.iter().map(index).collect()))
        }
        Operator::Reshape => reshape(first, inputs[1]),
        Operator::Shape => {
            let shape: Vec<i64> = first.shape.iter().map(|size| *size as i64).collect();
            Tensor::new(vec![shape.len()], Data::Int(shape))
        }
        Operator::Range => range(first, inputs[1], inputs[2]),
        Operator::Gather(axis) => gather(first, inputs[1], *axis),
        Operator::Compress => compress(first, inputs[1]),
        Operator::Concat => concat(inputs),
        Operator::MatMul => mat_mul(first, inputs[1]),
        Operator::Softmax => softmax(first),
        Operator::ArgMax => arg_max(first),
        Operator::Where => choose(first, inputs[1], inputs[2]),
    }
}

impl Tensor {
    /// The elements of a tensor of numbers of either width.
    fn data_numbers(&self) -> Result<&[f64]> {
        match &self.data {
            Data::Float(values) => Ok(values),
            _ => self.doubles(),
        }
    }
}

/// The shape of two tensors brought together, and the positions of each element's two sources.
fn broadcast(a: &Tensor, b: &Tensor) -> Result<(Vec<usize>, impl Iterator<Item = (usize, usize)>)> {
    let padded = |tensor: &Tensor| match tensor.shape.as_slice() {
        [] => (1, 1),
        [columns] => (1, *columns),
        [rows, columns, ..] => (*rows, *columns),
    };
    let ((a_rows, a_columns), (b_rows, b_columns)) = (padded(a), padded(b));
    let joined = |a: usize, b: usize| match (a, b) {
        (a, b) if a == b => Ok(a),
        (1, b) => Ok(b),
        (a, 1) => Ok(a),
        _ => Err(Format::Onnx.invalid(format!("sizes {a} and {b} don't go together"))),
    };
    let (rows, columns) = (joined(a_rows, b_rows)?, joined(a_columns, b_columns)?);
    let shape = match a.shape.len().max(b.shape.len()) {
        0 => vec![],
        1 => vec![columns],
        _ => vec![rows, columns],
    };
    elements(&shape)?;
    let at = move |(rows, columns): (usize, usize), row: usize, column: usize| {
        (if rows == 1 { 0 } else { row }) * columns + if columns == 1 { 0 } else { column }
    };
    let places = (0..rows).flat_map(move |row| (0..columns).map(move |column| (row, column)));
    let pairs = places.map(move |(row, column)| {
        (
            at((a_rows, a_columns), row, column),
            at((b_rows, b_columns), row, column),
        )
    });
    Ok((shape, pairs))
}

fn arithmetic(a: &Tensor, b: &Tensor, compute: impl Fn(f64, f64) -> f64) -> Result<Tensor> {
    let (x, y) = (a.doubles()?, b.doubles()?);
    let (shape, pairs) = broadcast(a, b)?;
    Tensor::new(
        shape,
        Data::Double(pairs.map(|(i, j)| compute(x[i], y[j])).collect()),
    )
}

fn compare(
    a: &Tensor,
    b: &Tensor,
    numbers: impl Fn(f64, f64) -> bool,
    whole: impl Fn(i64, i64) -> bool,
) -> Result<Tensor> {
    let (shape, pairs) = broadcast(a, b)?;
    let holds = match (&a.data, &b.data) {
        (Data::Int(x), Data::Int(y)) => pairs.map(|(i, j)| whole(x[i], y[j])).collect(),
        _ => {
            let (x, y) = (a.doubles()?, b.doubles()?);
            pairs.map(|(i, j)| numbers(x[i], y[j])).collect()
        }
    };
    Tensor::new(shape, Data::Bool(holds))
}

fn each(tensor: &Tensor, compute: impl Fn(f64) -> f64) -> Result<Tensor> {
    let values = tensor.doubles()?.iter().map(|value| compute(*value)).collect();
    Tensor::new(tensor.shape.clone(), Data::Double(values))
}

fn cast(tensor: &Tensor, to: i32) -> Result<Tensor> {
    let data = match (&tensor.data, to) {
        (Data::Double(values) | Data::Float(values), element::DOUBLE) => Data::Double(values.clone()),
        (Data::Int(values), element::DOUBLE) => Data::Double(values.iter().map(|v| *v as f64).collect()),
        (Data::Bool(values), element::DOUBLE) => {
            Data::Double(values.iter().map(|v| f64::from(u8::from(*v))).collect())
        }
        (Data::Double(values), element::INT64) => Data::Int(values.iter().map(|v| *v as i64).collect()),
        (Data::Bool(values), element::INT64) => Data::Int(values.iter().map(|v| i64::from(*v)).collect()),
        _ => return Err(Format::Onnx.invalid(format!("a cast to type {to} that is not known here"))),
    };
    Tensor::new(tensor.shape.clone(), data)
}

fn reshape(tensor: &Tensor, shape: &Tensor) -> Result<Tensor> {
    let wanted = shape.ints()?;
    let invalid = || Format::Onnx.invalid(format!("{:?} can't be given the shape {wanted:?}", tensor.shape));
    let known = |size: &i64| match size {
        -1 => Ok(1),
        size => usize::try_from(*size).map_err(|_| invalid()),
    };
    let sizes = wanted.iter().map(known).collect::<Result<Vec<_>>>()?;
    let given = elements(&sizes)?;
    let rest = tensor.data.len().checked_div(given).unwrap_or_default();
    let fill = |(size, wanted): (usize, &i64)| if *wanted == -1 { rest } else { size };
    let shape = sizes.into_iter().zip(wanted).map(fill).collect();
    Tensor::new(shape, tensor.data.clone())
}

fn range(start: &Tensor, end: &Tensor, step: &Tensor) -> Result<Tensor> {
    match (start.ints()?, end.ints()?, step.ints()?) {
        ([0], [end], [1]) => {
            let count = usize::try_from(*end).unwrap_or_default();
            elements(&[count])?;
            Tensor::new(vec![count], Data::Int((0..*end).collect()))
        }
        _ => Err(Format::Onnx.invalid("a range that is not known here")),
    }
}

fn gather(tensor: &Tensor, positions: &Tensor, axis: usize) -> Result<Tensor> {
    let (rows, columns) = tensor.matrix()?;
    let bound = if axis == 0 { rows } else { columns };
    let position = |position: &i64| {
        let counted_back = if *position < 0 { bound as i64 } else { 0 };
        let found = position
            .checked_add(counted_back)
            .and_then(|p| usize::try_from(p).ok());
        let what = || format!("index {position} is out of bounds: there are {bound}");
        found
            .filter(|found| *found < bound)
            .ok_or_else(|| Format::Onnx.refused(what()))
    };
    let found = positions
        .ints()?
        .iter()
        .map(position)
        .collect::<Result<Vec<_>>>()?;
    match (tensor.shape.len(), axis) {
        (1, 0) => picked(tensor, positions.shape.clone(), &found),
        (2, 1) if positions.shape.is_empty() => {
            let places: Vec<usize> = (0..rows).map(|row| row * columns + found[0]).collect();
            picked(tensor, vec![rows], &places)
        }
        _ => Err(Format::Onnx.invalid("a Gather that is not known here")),
    }
}

fn picked(tensor: &Tensor, shape: Vec<usize>, places: &[usize]) -> Result<Tensor> {
    let data = tensor.data.pick(places);
    Tensor::new(
        shape,
        data.ok_or_else(|| Format::Onnx.invalid("a place outside of a tensor"))?,
    )
}

fn compress(tensor: &Tensor, kept: &Tensor) -> Result<Tensor> {
    let (rows, columns) = tensor.matrix()?;
    let kept = kept.bools()?;
    if kept.len() != rows || tensor.shape.is_empty() {
        return Err(Format::Onnx.invalid("a Compress with a mask of another length"));
    }
    let rows: Vec<usize> = (0..rows).filter(|row| kept[*row]).collect();
    let places: Vec<usize> = (rows.iter())
        .flat_map(|row| row * columns..(row + 1) * columns)
        .collect();
    let mut shape = tensor.shape.clone();
    shape[0] = rows.len();
    picked(tensor, shape, &places)
}

fn concat(parts: &[&Tensor]) -> Result<Tensor> {
    let rows = parts[0].matrix()?.0;
    let mut width = 0;
    for part in parts {
        match part.shape.as_slice() {
            [own, columns] if *own == rows => width += columns,
            _ => return Err(Format::Onnx.invalid("a Concat of unequal parts")),
        }
        elements(&[rows, width])?;
    }
    let mut values = Vec::with_capacity(rows * width);
    let parts = parts.iter().map(|part| Ok((part.shape[1], part.doubles()?)));
    let parts = parts.collect::<Result<Vec<_>>>()?;
    for row in 0..rows {
        for (columns, part) in &parts {
            values.extend_from_slice(&part[row * columns..(row + 1) * columns]);
        }
    }
    Tensor::new(vec![rows, width], Data::Double(values))
}

fn mat_mul(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let ([rows, inner], [inner_b, columns]) = (a.shape.as_slice(), b.shape.as_slice()) else {
        return Err(Format::Onnx.invalid("a product of something else than matrices"));
    };
    let (rows, inner, columns) = (*rows, *inner, *columns);
    if inner != *inner_b {
        return Err(Format::Onnx.invalid(format!("a product over {inner} and {inner_b} elements")));
    }
    elements(&[rows, columns])?;
    if (rows * columns).saturating_mul(inner) > MAX_PRODUCTS {
        return Err(Format::Onnx.invalid("a product of matrices that are too large"));
    }
    let (x, y) = (a.doubles()?, b.doubles()?);
    let mut values = vec![0.0; rows * columns];
    if inner * columns > 0 {
        for (row, sums) in x.chunks_exact(inner).zip(values.chunks_exact_mut(columns)) {
            for (value, line) in row.iter().zip(y.chunks_exact(columns)) {
                for (sum, factor) in sums.iter_mut().zip(line) {
                    *sum += value * factor;
                }
            }
        }
    }
    Tensor::new(vec![rows, columns], Data::Double(values))
}

fn softmax(tensor: &Tensor) -> Result<Tensor> {
    let (_, columns) = tensor.matrix()?;
    let mut values = tensor.doubles()?.to_vec();
    for row in values.chunks_exact_mut(columns.max(1)) {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        row.iter_mut()
            .for_each(|value| *value = libm::exp(*value - largest));
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|value| *value /= sum);
    }
    Tensor::new(tensor.shape.clone(), Data::Double(values))
}

/// The position of the first of the largest values of each row.
fn arg_max(tensor: &Tensor) -> Result<Tensor> {
    let (rows, columns) = tensor.matrix()?;
    let largest = |row: &[f64]| {
        let best = (row.iter().enumerate()).fold((0, f64::NEG_INFINITY), |best, (position, value)| {
            if *value > best.1 { (position, *value) } else { best }
        });
        best.0 as i64
    };
    let positions = tensor.doubles()?.chunks_exact(columns.max(1)).map(largest);
    Tensor::new(vec![rows], Data::Int(positions.collect()))
}

fn choose(which: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let ([x], y) = (a.doubles()?, b.doubles()?) else {
        return Err(Format::Onnx.invalid("a Where that is not known here"));
    };
    if which.shape != b.shape {
        return Err(Format::Onnx.invalid("a Where of unequal shapes"));
    }
    let values = which
        .bools()?
        .iter()
        .zip(y)
        .map(|(which, y)| if *which { *x } else { *y });
    Tensor::new(b.shape.clone(), Data::Double(values.collect()))
}
