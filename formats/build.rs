//! Compiles the part of ONNX's schema that is used here with protox: no system `protoc` is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let descriptors = protox::compile(["onnx.proto"], ["."])?;
    prost_build::Config::new().compile_fds(descriptors)?;
    println!("cargo:rerun-if-changed=onnx.proto");
    Ok(())
}
