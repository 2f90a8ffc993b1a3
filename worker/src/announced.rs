//! What the driver announces, from the wire's messages.

use rookery_data::stores::{AnnouncedFile, AnnouncedPlace, Announcement, Grant, Identity, Secrets};
use rookery_proto::v1::source_file::Place;
use rookery_proto::{ErrorClass, Failure, v1};

pub(crate) fn announcement(request: v1::PrepareSourcesRequest) -> Result<Announcement, Failure> {
    Ok(Announcement {
        dataset: request.dataset_id,
        files: request.files.into_iter().map(file).collect::<Result<_, _>>()?,
        stores: request.stores.into_iter().map(grant).collect(),
    })
}

fn file(message: v1::SourceFile) -> Result<AnnouncedFile, Failure> {
    let place = match message.place {
        Some(Place::DriverPath(path)) => AnnouncedPlace::Driver { path },
        Some(Place::Stored(stored)) => AnnouncedPlace::Store {
            store: stored.store as usize,
            location: stored.location,
        },
        None => {
            let what = "malformed request: a source file is nowhere";
            return Err(Failure::new(ErrorClass::Internal, what).at(message.name));
        }
    };
    Ok(AnnouncedFile {
        name: message.name,
        source: message.source,
        identity: Identity {
            size: message.size,
            modified_ns: message.modified_ns,
            e_tag: Some(message.e_tag).filter(|tag| !tag.is_empty()),
        },
        place,
    })
}

fn grant(message: v1::StoreGrant) -> Grant {
    Grant {
        url: message.url,
        settings: message.settings.into_iter().collect(),
        secrets: Secrets::new(message.secrets.into_iter().collect()),
    }
}
