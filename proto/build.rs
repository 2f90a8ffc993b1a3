//! Compiles `rookery.v1` with protox, a protobuf compiler in Rust: no system `protoc` is needed.

/// Messages that carry secrets: `src/join.rs` and `src/lib.rs` show them without.
const WITH_SECRETS: [&str; 4] = [
    ".rookery.v1.JoinRequest",
    ".rookery.v1.JoinResponse",
    ".rookery.v1.CreateJoinTokenResponse",
    ".rookery.v1.StoreGrant",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "rookery/v1/error.proto",
        "rookery/v1/job_service.proto",
        "rookery/v1/join_service.proto",
        "rookery/v1/membership_service.proto",
        "rookery/v1/trainer_service.proto",
    ];
    let descriptors = protox::compile(files, ["."])?;
    tonic_prost_build::configure()
        .skip_debug(WITH_SECRETS)
        .compile_fds(descriptors)?;
    for file in files {
        println!("cargo:rerun-if-changed={file}");
    }
    Ok(())
}
