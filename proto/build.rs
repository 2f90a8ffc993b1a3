//! Compiles `rookery.v1` with protox, a protobuf compiler in Rust: no system `protoc` is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "rookery/v1/error.proto",
        "rookery/v1/job_service.proto",
        "rookery/v1/membership_service.proto",
        "rookery/v1/trainer_service.proto",
    ];
    let descriptors = protox::compile(files, ["."])?;
    tonic_prost_build::configure()
        // What it holds must not be shown; `lib.rs` says what is.
        .skip_debug(["rookery.v1.StoreGrant"])
        .compile_fds(descriptors)?;
    for file in files {
        println!("cargo:rerun-if-changed={file}");
    }
    Ok(())
}
