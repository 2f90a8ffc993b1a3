//! The Python that loading a model takes: the loader and the packages, as they are tested.

use crate::ModelFile;

/// The module that loads the model as a Python function, in the folder `code`.
pub(super) const LOADER_MODULE: &str = "rookery_onnx";
const LOADER: &str = include_str!("rookery_onnx.py");

pub(super) const PYTHON_VERSION: &str = "3.11.7";
pub(super) const MLFLOW_VERSION: &str = "3.17.2";
pub(super) const ONNX_VERSION: &str = "1.23.2";
const PACKAGES: [&str; 5] = [
    "mlflow==3.17.2",
    "numpy==2.4.6",
    "onnx==1.23.2",
    "onnxruntime==1.32.0",
    "pandas==3.1.1",
];

/// The loader, and the packages in the three forms that MLflow reads.
pub(crate) fn files() -> Vec<ModelFile> {
    let file = |path: String, content: String| ModelFile {
        path,
        content: content.into_bytes(),
    };
    let listed = |indent: &str| PACKAGES.map(|package| format!("{indent}- {package}\n")).concat();
    let conda = format!(
        "name: mlflow-env\nchannels:\n- conda-forge\ndependencies:\n- python={PYTHON_VERSION}\n- pip\n- pip:\n{}",
        listed("  ")
    );
    let virtualenv = format!(
        "python: {PYTHON_VERSION}\nbuild_dependencies:\n- pip\ndependencies:\n- -r requirements.txt\n"
    );
    vec![
        file(format!("code/{LOADER_MODULE}.py"), LOADER.to_owned()),
        file("conda.yaml".to_owned(), conda),
        file("python_env.yaml".to_owned(), virtualenv),
        file(
            "requirements.txt".to_owned(),
            PACKAGES.map(|package| format!("{package}\n")).concat(),
        ),
    ]
}
