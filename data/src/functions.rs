//! The scalar functions of cleaning plans, registered by name on driver and workers alike:
//! `parse_<type>` casts text as Spark does, `null_columns` says which columns of a row are null, and
//! `content_partition` gives a row of a shuffled result its partition number.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, PrimitiveArray, StringBuilder, UInt32Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Float32Type, Float64Type, Int32Type, Int64Type};
use arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};
use twox_hash::XxHash64;

use crate::error::bad_row;
use crate::schema::{self, ColumnType};

/// Every function, for registration.
pub(crate) fn all() -> Vec<Arc<ScalarUDF>> {
    let mut functions: Vec<Arc<ScalarUDF>> = ColumnType::ALL
        .into_iter()
        .filter(|t| *t != ColumnType::String)
        .map(parse_function)
        .collect();
    functions.push(Arc::new(ScalarUDF::from(NullColumns::new())));
    functions.push(Arc::new(ScalarUDF::from(ContentPartition::new())));
    functions
}

/// Text `value` of column `name` cast to `target`; null stays null, anything else that does not fit is an
/// error. Where `dropped` is not null the row will be dropped, and what can't be cast is null.
pub(crate) fn parse(value: Expr, name: &str, target: ColumnType, dropped: Expr) -> Expr {
    parse_function(target).call(vec![value, lit(name), dropped])
}

/// The names of the null columns of a row, joined by `, `; null when none is null.
pub(crate) fn null_columns(columns: Vec<(Expr, &str)>) -> Expr {
    let arguments = columns
        .into_iter()
        .flat_map(|(value, name)| [value, lit(name)])
        .collect();
    ScalarUDF::from(NullColumns::new()).call(arguments)
}

/// A number in `[0, count)` that depends on the row's content alone.
pub(crate) fn content_partition(columns: Vec<Expr>, count: u32) -> Expr {
    let arguments = std::iter::once(lit(count)).chain(columns).collect();
    ScalarUDF::from(ContentPartition::new()).call(arguments)
}

fn parse_function(target: ColumnType) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(Parse {
        name: format!("parse_{}", target.name()),
        target,
        signature: Signature::any(3, Volatility::Immutable),
    }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Parse {
    name: String,
    target: ColumnType,
    signature: Signature,
}

impl ScalarUDFImpl for Parse {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(self.target.arrow())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let name = text_of(&args.args[1])?;
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let array = parse_column(&arrays[0], &name, self.target, &arrays[2])?;
        Ok(ColumnarValue::Array(array))
    }
}

/// The text column `text`, called `name`, cast to `target` as [`parse`] says.
pub(crate) fn parse_column(
    text: &ArrayRef,
    name: &str,
    target: ColumnType,
    dropped: &ArrayRef,
) -> Result<ArrayRef> {
    let text = arrow::compute::cast(text, &DataType::Utf8)?;
    let cell = Cells {
        text: text.as_string::<i32>(),
        dropped,
        name,
        target,
    };
    Ok(match target {
        ColumnType::String => Arc::clone(&text),
        ColumnType::Boolean => {
            let values: BooleanArray = cell.parse(schema::parse_boolean).collect::<Result<_>>()?;
            Arc::new(values)
        }
        ColumnType::Int => cell.parse_primitive::<Int32Type>(schema::parse_int)?,
        ColumnType::Long => cell.parse_primitive::<Int64Type>(schema::parse_long)?,
        ColumnType::Float => cell.parse_primitive::<Float32Type>(schema::parse_float)?,
        ColumnType::Double => cell.parse_primitive::<Float64Type>(schema::parse_double)?,
    })
}

/// A text column about to be cast.
struct Cells<'a> {
    text: &'a arrow::array::StringArray,
    dropped: &'a ArrayRef,
    name: &'a str,
    target: ColumnType,
}

impl Cells<'_> {
    fn parse<T>(&self, parse: impl Fn(&str) -> Option<T>) -> impl Iterator<Item = Result<Option<T>>> {
        self.text.iter().enumerate().map(move |(i, text)| {
            let Some(text) = text else { return Ok(None) };
            let value = parse(text);
            if value.is_none() && self.dropped.is_null(i) {
                return Err(bad_row(schema::refusal(self.name, text, self.target)));
            }
            Ok(value)
        })
    }

    fn parse_primitive<T: ArrowPrimitiveType>(
        &self,
        parse: impl Fn(&str) -> Option<T::Native>,
    ) -> Result<ArrayRef> {
        let values: PrimitiveArray<T> = self.parse(parse).collect::<Result<_>>()?;
        Ok(Arc::new(values))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct NullColumns {
    signature: Signature,
}

impl NullColumns {
    fn new() -> Self {
        Self {
            signature: Signature::variadic_any(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for NullColumns {
    fn name(&self) -> &str {
        "null_columns"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let names = args
            .args
            .iter()
            .skip(1)
            .step_by(2)
            .map(text_of)
            .collect::<Result<Vec<_>>>()?;
        let values: Vec<ArrayRef> = args
            .args
            .iter()
            .step_by(2)
            .map(|value| value.to_array(args.number_rows))
            .collect::<Result<_>>()?;
        if values.iter().all(|column| column.logical_null_count() == 0) {
            return Ok(ColumnarValue::Scalar(ScalarValue::Utf8(None)));
        }
        let nulls: Vec<Option<NullBuffer>> = values.iter().map(|column| column.logical_nulls()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Ok(ColumnarValue::Array(reasons(&nulls, &names, args.number_rows)))
    }
}

/// For each row the names of the columns in which it is null, as [`null_columns`] says; a column's nulls are where its
/// name is.
pub(crate) fn reasons(nulls: &[Option<NullBuffer>], names: &[&str], rows: usize) -> ArrayRef {
    let mut reasons = StringBuilder::new();
    for row in 0..rows {
        let null: Vec<&str> = nulls
            .iter()
            .zip(names)
            .filter(|(nulls, _)| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)))
            .map(|(_, name)| *name)
            .collect();
        reasons.append_option((!null.is_empty()).then(|| null.join(", ")));
    }
    Arc::new(reasons.finish())
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ContentPartition {
    signature: Signature,
}

impl ContentPartition {
    fn new() -> Self {
        Self {
            signature: Signature::variadic_any(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for ContentPartition {
    fn name(&self) -> &str {
        "content_partition"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::UInt32)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let ColumnarValue::Scalar(ScalarValue::UInt32(Some(count))) = &args.args[0] else {
            return exec_err!("content_partition: the count of partitions must be a literal");
        };
        let columns: Vec<ArrayRef> = args.args[1..]
            .iter()
            .map(|c| c.to_array(args.number_rows))
            .collect::<Result<_>>()?;
        let fields = columns
            .iter()
            .map(|c| SortField::new(c.data_type().clone()))
            .collect();
        let rows = RowConverter::new(fields)?.convert_columns(&columns)?;
        let numbers: UInt32Array = rows
            .iter()
            .map(|row| Some((XxHash64::oneshot(0, row.as_ref()) % u64::from(*count)) as u32))
            .collect();
        Ok(ColumnarValue::Array(Arc::new(numbers)))
    }
}

fn text_of(value: &ColumnarValue) -> Result<String> {
    match value {
        ColumnarValue::Scalar(ScalarValue::Utf8(Some(text))) => Ok(text.clone()),
        other => exec_err!("expected a literal text, got {}", other.data_type()),
    }
}
