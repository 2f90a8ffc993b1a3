//! What a worker is told before it reads, as the wire's message.

use rookery_data::stores::{AnnouncedFile, AnnouncedPlace, Announcement, Grant};
use rookery_proto::v1;
use rookery_proto::v1::source_file::Place;

pub(crate) fn request(announcement: &Announcement) -> v1::PrepareSourcesRequest {
    v1::PrepareSourcesRequest {
        dataset_id: announcement.dataset.clone(),
        files: announcement.files.iter().map(file).collect(),
        stores: announcement.stores.iter().map(grant).collect(),
    }
}

fn file(announced: &AnnouncedFile) -> v1::SourceFile {
    let place = match &announced.place {
        AnnouncedPlace::Driver { path } => Place::DriverPath(path.clone()),
        AnnouncedPlace::Store { store, location } => Place::Stored(v1::StoredFile {
            store: *store as u32,
            location: location.clone(),
        }),
    };
    v1::SourceFile {
        name: announced.name.clone(),
        source: announced.source.clone(),
        size: announced.identity.size,
        modified_ns: announced.identity.modified_ns,
        e_tag: announced.identity.e_tag.clone().unwrap_or_default(),
        place: Some(place),
    }
}

fn grant(grant: &Grant) -> v1::StoreGrant {
    v1::StoreGrant {
        url: grant.url.clone(),
        settings: grant.settings.clone().into_iter().collect(),
        secrets: grant.secrets.expose().clone().into_iter().collect(),
    }
}
