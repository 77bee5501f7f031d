//! `stdata browse`: a local page over records and shards.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, ensure};
use serde::Serialize;
use st_data::browse::{Body, Catalogue, Method, Request, Settings, Site};
use st_data::dataset::{find_dataset_files, inputs};
use st_data::read::Options;
use st_data::review::Review;
use tiny_http::{Header, Response, Server, StatusCode};

use crate::exit_status::ExitStatus;
use crate::globals::Globals;
use crate::progress::Progress;

/// Flags of `stdata browse`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The page is for this machine only, and its address, which begins with a key, for you only. Media files are shown\n\
                  from inside the data root. Marks go to ROOT/review.jsonl, which `stdata validate` honours.\n\n\
                  Example:\n  stdata browse data/synth/train.yaml\n  stdata browse my/dataset.yaml --root my --shards data/shards/mine"
)]
pub(crate) struct Args {
    /// Dataset YAML or annotation files [default: everything under the data root]
    inputs: Vec<PathBuf>,
    /// Folders of shards [default: those in ROOT/shards]
    #[arg(long, value_name = "DIR")]
    shards: Vec<PathBuf>,
    /// Where marks are kept [default: ROOT/review.jsonl]
    #[arg(long, value_name = "FILE")]
    review: Option<PathBuf>,
    /// Port on loopback; 0 takes a free one
    #[arg(long, default_value_t = 0, value_name = "N")]
    port: u16,
}

/// What `--json` prints before the page is served.
#[derive(Debug, Serialize)]
struct Output<'a> {
    address: String,
    records: usize,
    clips: usize,
    review: &'a Path,
    notes: &'a [String],
}

/// Requests answered at a time.
const THREADS: usize = 4;

/// Reads the records, prints the page's address and serves it until the program is ended.
pub(crate) fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitStatus> {
    let paths = if args.inputs.is_empty() {
        find_dataset_files(&globals.root)?
    } else {
        args.inputs.clone()
    };
    ensure!(
        globals.root.is_dir(),
        "the data root {} does not exist; name it with --root",
        globals.root.display()
    );
    let kept = globals.root.join(Review::FILE);
    let review = args.review.clone().unwrap_or(kept);
    let settings = Settings {
        root: globals.root.clone(),
        inputs: paths,
        shards: args.shards.clone(),
        review,
        options: Options {
            jobs: globals.jobs,
            ..Options::default()
        },
    };
    let length = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
    let total = inputs(&settings.inputs)?;
    let total = total.iter().map(|input| length(&input.annotations)).sum();
    let progress = Progress::start(globals, "bytes", total);
    let catalogue = Catalogue::open(&settings, |bytes| progress.add(bytes))?;
    progress.finish();

    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, args.port);
    let listener = TcpListener::bind(address)
        .with_context(|| format!("cannot listen on {address}; choose another --port"))?;
    let port = listener.local_addr()?.port();
    let server = Server::from_listener(listener, None).map_err(|error| anyhow!(error))?;
    let site = Site::new(catalogue, port, &key()?);
    tell(&site, &settings.review, globals)?;
    serve(&Arc::new(server), &Arc::new(site));
    Ok(ExitStatus::Done)
}

fn tell(site: &Site, review: &Path, globals: &Globals) -> anyhow::Result<()> {
    let catalogue = site.catalogue();
    let output = Output {
        address: site.address(),
        records: catalogue.len(),
        clips: catalogue.clips(),
        review,
        notes: catalogue.notes(),
    };
    for note in output.notes {
        globals.say(note);
    }
    let text = format!(
        "{} records, {} clips in shards; marks go to {}\n\n  {}\n",
        output.records,
        output.clips,
        review.display(),
        output.address
    );
    globals.emit(&output, text)?;
    globals.say("open the address in a browser; end with Ctrl-C");
    Ok(())
}

/// 128 random bits as text: who does not know them finds nothing.
fn key() -> anyhow::Result<String> {
    let mut bits = [0_u8; 16];
    getrandom::fill(&mut bits).map_err(|error| anyhow!("no random numbers: {error}"))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bits)))
}

/// Answers requests until the server ends.
fn serve(server: &Arc<Server>, site: &Arc<Site>) {
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (server, site) = (Arc::clone(server), Arc::clone(site));
            std::thread::spawn(move || {
                while let Ok(request) = server.recv() {
                    answer(&site, request);
                }
            })
        })
        .collect();
    for thread in threads {
        // A thread that panicked is one fewer; the others go on.
        let _ = thread.join();
    }
}

fn answer(site: &Site, mut request: tiny_http::Request) {
    let mut body = Vec::new();
    let limit = Site::BODY_BYTES as u64 + 1;
    let read = request.as_reader().take(limit).read_to_end(&mut body);
    let response = if read.is_err() || body.len() > Site::BODY_BYTES {
        None
    } else {
        let header = |name: &'static str| {
            let mut found = request.headers().iter().filter(|one| one.field.equiv(name));
            // Two of one name contradict each other; neither is believed.
            found
                .next()
                .filter(|_| found.next().is_none())
                .map(|one| one.value.as_str())
        };
        Some(site.respond(&Request {
            method: match request.method() {
                tiny_http::Method::Get => Method::Get,
                tiny_http::Method::Head => Method::Head,
                tiny_http::Method::Post => Method::Post,
                _ => Method::Other,
            },
            target: request.url(),
            host: header("Host"),
            origin: header("Origin"),
            content_type: header("Content-Type"),
            range: header("Range"),
            body: &body,
        }))
    };
    // A browser that has gone away needs no answer.
    let _ = match response {
        Some(response) => send(request, response),
        None => request.respond(Response::empty(413)),
    };
}

fn send(request: tiny_http::Request, response: st_data::browse::Response) -> std::io::Result<()> {
    let headers: Vec<Header> = response
        .headers
        .iter()
        .filter_map(|(name, value)| Header::from_bytes(name.as_bytes(), value.as_bytes()).ok())
        .collect();
    let status = StatusCode(response.status);
    let (reader, length): (Box<dyn Read + Send>, u64) = match response.body {
        Body::Bytes(bytes) => {
            let length = bytes.len() as u64;
            (Box::new(std::io::Cursor::new(bytes)), length)
        }
        Body::File(file, length) => (Box::new(file.take(length)), length),
    };
    let response = Response::new(status, headers, reader, usize::try_from(length).ok(), None)
        .with_chunked_threshold(usize::MAX);
    request.respond(response)
}
