//! A document becomes a program: fields by number, expressions, coefficients. What Rookery does not write is refused.

use std::collections::{HashMap, HashSet};

use super::document::Element;
use super::expression::{Expression, Function};
use crate::{Format, FormatError};

type Result<T> = std::result::Result<T, FormatError>;

/// A document that is ready to score rows.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) inputs: Vec<Input>,
    /// In the order in which they are computed.
    pub(super) derived: Vec<Expression>,
    pub(super) tables: Vec<Table>,
    pub(super) is_softmax: bool,
    /// In order; numbered after the derived fields.
    pub(super) outputs: Vec<Output>,
    /// Which outputs are the prediction and the probability of each class.
    pub(super) prediction: usize,
    pub(super) probabilities: Vec<usize>,
}

/// A column that is read.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) is_text: bool,
    /// The texts that are allowed, if others are refused.
    pub(super) allowed: Option<HashSet<String>>,
    pub(super) refuses_missing: bool,
}

/// What gives a class its margin.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) intercept: f64,
    pub(super) class: usize,
    pub(super) predictors: Vec<(usize, f64)>,
}

#[derive(Debug)]
pub(super) enum Output {
    Probability(usize),
    Computed(Expression),
}

/// Reads a document.
pub(super) fn read(bytes: &[u8]) -> Result<Program> {
    let root = Element::parse(bytes)?;
    let model = root.one("RegressionModel")?;
    let is_softmax = match model.attribute("normalizationMethod") {
        Some("softmax") => true,
        Some("logit") => false,
        other => return Err(Format::Pmml.invalid(format!("normalization {other:?}"))),
    };
    let (inputs, label) = inputs(&root, model)?;
    let mut fields = Fields::default();
    for input in &inputs {
        fields.add(&input.name)?;
    }
    let mut derived = Vec::new();
    for field in model.one("LocalTransformations")?.all("DerivedField") {
        derived.push(fields.expression(only_child(field)?)?);
        fields.add(field.required("name")?)?;
    }
    let tables = model.all("RegressionTable").map(|table| fields.table(table));
    let tables = tables.collect::<Result<Vec<_>>>()?;
    let classes = root.one("DataDictionary")?.all("DataField");
    let classes = classes.filter(|field| field.attribute("name") == Some(&label));
    let classes: usize = classes.map(|field| field.all("Value").count()).sum();
    check_tables(&tables, classes, is_softmax)?;
    let (mut outputs, mut prediction, mut probabilities) = (Vec::new(), None, vec![None; classes]);
    for field in model.one("Output")?.all("OutputField") {
        let number = outputs.len();
        outputs.push(match field.required("feature")? {
            "probability" => {
                let class: usize = parsed(field.required("value")?)?;
                let slot = probabilities.get_mut(class);
                *slot.ok_or_else(|| Format::Pmml.invalid("a probability of no class"))? = Some(number);
                Output::Probability(class)
            }
            "transformedValue" => Output::Computed(fields.expression(only_child(field)?)?),
            other => return Err(Format::Pmml.invalid(format!("an output of feature {other}"))),
        });
        if field.attribute("feature") == Some("transformedValue")
            && field.attribute("isFinalResult") == Some("true")
        {
            prediction = Some(number);
        }
        fields.add(field.required("name")?)?;
    }
    let probabilities: Option<Vec<usize>> = probabilities.into_iter().collect();
    let missing = || Format::Pmml.invalid("an output is missing");
    Ok(Program {
        inputs,
        derived,
        tables,
        is_softmax,
        outputs,
        prediction: prediction.ok_or_else(missing)?,
        probabilities: probabilities.ok_or_else(missing)?,
    })
}

/// The columns that are read, and the field that is predicted.
fn inputs(root: &Element, model: &Element) -> Result<(Vec<Input>, String)> {
    let mut label = None;
    let mut inputs = Vec::new();
    for mining in model.one("MiningSchema")?.all("MiningField") {
        let name = mining.required("name")?;
        if mining.attribute("usageType") == Some("target") {
            label = Some(name.to_owned());
            continue;
        }
        let mut fields = root.one("DataDictionary")?.all("DataField");
        let field = fields.find(|field| field.attribute("name") == Some(name));
        let field = field.ok_or_else(|| Format::Pmml.invalid(format!("field {name} is not described")))?;
        let values: HashSet<String> = field
            .all("Value")
            .filter_map(|value| value.attribute("value"))
            .map(str::to_owned)
            .collect();
        let refuses = mining.attribute("invalidValueTreatment") == Some("returnInvalid");
        inputs.push(Input {
            name: name.to_owned(),
            is_text: field.required("dataType")? == "string",
            allowed: (refuses && !values.is_empty()).then_some(values),
            refuses_missing: mining.attribute("missingValueTreatment") == Some("returnInvalid"),
        });
    }
    let label = label.ok_or_else(|| Format::Pmml.invalid("no field is predicted"))?;
    Ok((inputs, label))
}

fn check_tables(tables: &[Table], classes: usize, is_softmax: bool) -> Result<()> {
    let in_order = |(class, table): (usize, &Table)| table.class == class;
    let fits = match is_softmax {
        true => tables.len() == classes && tables.iter().enumerate().all(in_order),
        false => {
            classes == 2
                && matches!(tables, [one, zero] if one.class == 1 && zero.class == 0 && zero.predictors.is_empty())
        }
    };
    match fits && classes > 1 {
        true => Ok(()),
        false => Err(Format::Pmml.invalid("the regression tables don't fit the classes")),
    }
}

/// Numbers of the fields that are there.
#[derive(Debug, Default)]
struct Fields(HashMap<String, usize>);

impl Fields {
    fn add(&mut self, name: &str) -> Result<()> {
        let number = self.0.len();
        match self.0.insert(name.to_owned(), number) {
            None => Ok(()),
            Some(_) => Err(Format::Pmml.invalid(format!("a second field {name}"))),
        }
    }

    fn get(&self, name: &str) -> Result<usize> {
        let found = self.0.get(name).copied();
        found.ok_or_else(|| Format::Pmml.invalid(format!("there is no field {name} yet")))
    }

    fn table(&self, table: &Element) -> Result<Table> {
        let predictor = |predictor: &Element| {
            let coefficient = parsed(predictor.required("coefficient")?)?;
            Ok((self.get(predictor.required("name")?)?, coefficient))
        };
        Ok(Table {
            intercept: parsed(table.required("intercept")?)?,
            class: parsed(table.required("targetCategory")?)?,
            predictors: table
                .all("NumericPredictor")
                .map(predictor)
                .collect::<Result<_>>()?,
        })
    }

    fn expression(&self, element: &Element) -> Result<Expression> {
        match element.name.as_str() {
            "FieldRef" => Ok(Expression::Field(self.get(element.required("field")?)?)),
            "Constant" => Ok(Expression::Constant(match element.text.as_str() {
                "true" => 1.0,
                text => parsed(text)?,
            })),
            "Apply" => {
                let name = element.required("function")?;
                let arguments = element.children.iter().map(|argument| self.expression(argument));
                let arguments = arguments.collect::<Result<Vec<_>>>()?;
                let function = Function::from_name(name).filter(|function| function.takes(arguments.len()));
                Ok(Expression::Apply {
                    function: function.ok_or_else(|| Format::Pmml.invalid(format!("function {name}")))?,
                    arguments,
                    map_missing_to: optional(element, "mapMissingTo")?,
                })
            }
            "MapValues" => self.map_values(element),
            other => Err(Format::Pmml.invalid(format!("an expression {other}"))),
        }
    }

    fn map_values(&self, element: &Element) -> Result<Expression> {
        let pair = element.one("FieldColumnPair")?;
        let (from, to) = (pair.required("column")?, element.required("outputColumn")?);
        let row = |row: &Element| Ok((row.one(from)?.text.clone(), parsed(&row.one(to)?.text)?));
        Ok(Expression::MapValues {
            field: self.get(pair.required("field")?)?,
            map: element
                .one("InlineTable")?
                .all("row")
                .map(row)
                .collect::<Result<_>>()?,
            default: optional(element, "defaultValue")?,
            map_missing_to: optional(element, "mapMissingTo")?,
        })
    }
}

fn only_child(element: &Element) -> Result<&Element> {
    match element.children.as_slice() {
        [child] => Ok(child),
        _ => Err(Format::Pmml.invalid(format!("{} with other than one expression", element.name))),
    }
}

fn optional(element: &Element, name: &str) -> Result<Option<f64>> {
    element.attribute(name).map(parsed).transpose()
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T> {
    let parsed = text.parse();
    parsed.map_err(|_| Format::Pmml.invalid(format!("{text:?} is no number")))
}
