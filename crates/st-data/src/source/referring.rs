//! Objects of images and expressions for them, in both directions: where is it, and what is there.

use serde::Deserialize;
use st_schema::Task;
use st_schema::units::BoxConvention;

use super::{Draft, Drafts, Part, RawItem, Reject, words};

/// An image's file and size in pixels.
#[derive(Deserialize)]
pub(super) struct Image {
    pub(super) file_name: String,
    pub(super) width: u32,
    pub(super) height: u32,
}

#[derive(Deserialize)]
struct Shikra {
    img_path: String,
    expression: String,
    dataset_name: Option<String>,
    bbox: [f64; 4],
    width: u32,
    height: u32,
}

/// Shikra's form: one line for each expression, xyxy in pixels.
///
/// # Errors
/// When the line has another shape.
pub(super) fn shikra(item: &RawItem<'_>, drafts: &mut Drafts<'_>) -> Result<(), Reject> {
    let row = item.row;
    let item: Shikra = item.parse()?;
    if let Some(name) = &item.dataset_name {
        drafts.note(format!("Shikra's lines of {name}"));
    }
    let image = Image {
        file_name: item.img_path,
        width: item.width,
        height: item.height,
    };
    let corners = Some(BoxConvention::XYXY_PIXELS);
    both(
        &format!("shikra_{row}"),
        &image,
        &item.expression,
        item.bbox,
        corners,
        drafts,
    );
    Ok(())
}

/// A rec and a reg record.
pub(super) fn both(
    id: &str,
    image: &Image,
    phrase: &str,
    bbox: [f64; 4],
    boxes: Option<BoxConvention>,
    drafts: &mut Drafts<'_>,
) {
    for (task, list) in [(Task::Rec, "rec"), (Task::Reg, "reg")] {
        let mut draft = Draft::image(task, format!("{list}_{id}"), image.file_name.as_str())
            .size(image.width, image.height);
        draft.boxes = boxes;
        drafts.push(draft.ask(
            list,
            vec![
                ("phrase", words(phrase.trim())),
                ("box", vec![Part::Box(bbox)]),
            ],
        ));
    }
}
