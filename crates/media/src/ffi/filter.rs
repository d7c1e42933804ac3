//! A chain of libavfilter's filters, which processes pictures one by one. The engine uses it on the GPU.

use std::ffi::{CStr, CString};
use std::ptr;

use ffmpeg_next::ffi;

use super::{AvError, Frame, log};

/// A configured chain for pictures of one format, size and place.
pub(crate) struct Filter {
    graph: *mut ffi::AVFilterGraph,
    source: *mut ffi::AVFilterContext,
    sink: *mut ffi::AVFilterContext,
    /// Keeps the pictures' GPU frame pool alive, so that comparing its address stays valid.
    surfaces: *mut ffi::AVBufferRef,
    format: i32,
    size: (u32, u32),
}

// SAFETY: a graph may be used from one thread after another.
unsafe impl Send for Filter {}

impl Filter {
    /// Makes a chain for pictures like `frame`, from filters with their arguments in FFmpeg's syntax.
    pub(crate) fn new(frame: &Frame, chain: &[(&CStr, CString)]) -> Result<Self, String> {
        let (filter, lines) = log::listen(|| Self::build(frame, chain));
        filter.map_err(|error| log::describe(&lines, error))
    }

    fn build(frame: &Frame, chain: &[(&CStr, CString)]) -> Result<Self, AvError> {
        let raw = frame.raw();
        // SAFETY: no arguments; null is checked, and `filter` frees it.
        let graph = unsafe { ffi::avfilter_graph_alloc() };
        if graph.is_null() {
            return Err(AvError::NO_MEMORY);
        }
        let mut filter = Self {
            graph,
            source: ptr::null_mut(),
            sink: ptr::null_mut(),
            surfaces: ptr::null_mut(),
            format: raw.format,
            size: (frame.width(), frame.height()),
        };
        filter.source = filter.add(c"buffer")?;
        // SAFETY: the frame, the graph and its source are valid; the parameters take references
        // of their own, and the structure alone is freed.
        unsafe {
            if !raw.hw_frames_ctx.is_null() {
                filter.surfaces = ffi::av_buffer_ref(raw.hw_frames_ctx);
            }
            let parameters = ffi::av_buffersrc_parameters_alloc();
            if parameters.is_null() {
                return Err(AvError::NO_MEMORY);
            }
            (*parameters).format = raw.format;
            (*parameters).width = raw.width;
            (*parameters).height = raw.height;
            // Timestamps do not matter: pictures come out in the order in which they went in.
            (*parameters).time_base = ffi::AVRational { num: 1, den: 1 };
            (*parameters).sample_aspect_ratio = raw.sample_aspect_ratio;
            (*parameters).hw_frames_ctx = raw.hw_frames_ctx;
            let set = ffi::av_buffersrc_parameters_set(filter.source, parameters);
            ffi::av_free(parameters.cast());
            AvError::check(set)?;
        }
        start(filter.source, None)?;
        let mut last = filter.source;
        for (name, arguments) in chain {
            let next = filter.add(name)?;
            start(next, Some(arguments))?;
            link(last, next)?;
            last = next;
        }
        filter.sink = filter.add(c"buffersink")?;
        start(filter.sink, None)?;
        link(last, filter.sink)?;
        // SAFETY: the graph is valid and complete.
        AvError::check(unsafe { ffi::avfilter_graph_config(filter.graph, ptr::null_mut()) })?;
        Ok(filter)
    }

    /// A filter in the graph, which owns it.
    fn add(&mut self, name: &CStr) -> Result<*mut ffi::AVFilterContext, AvError> {
        // SAFETY: filters are static; the graph is valid; both nulls are checked.
        unsafe {
            let filter = ffi::avfilter_get_by_name(name.as_ptr());
            if filter.is_null() {
                return Err(AvError(ffi::AVERROR_FILTER_NOT_FOUND));
            }
            let context = ffi::avfilter_graph_alloc_filter(self.graph, filter, ptr::null());
            if context.is_null() { Err(AvError::NO_MEMORY) } else { Ok(context) }
        }
    }

    /// Whether it was set up for pictures like `frame`.
    pub(crate) fn suits(&self, frame: &Frame) -> bool {
        let raw = frame.raw();
        let memory = |reference: *mut ffi::AVBufferRef| {
            // SAFETY: null, or a reference that this filter or the frame holds.
            unsafe { reference.as_ref() }.map(|reference| reference.data.cast_const())
        };
        self.format == raw.format
            && self.size == (frame.width(), frame.height())
            && memory(self.surfaces) == memory(raw.hw_frames_ctx)
    }

    /// Filters `frame`, which it must [suit](Self::suits).
    pub(crate) fn run(&mut self, frame: &Frame) -> Result<Frame, String> {
        let out = Frame::new().map_err(|error| error.to_string())?;
        // SAFETY: the graph's ends and both frames are valid; the input keeps its own reference.
        let (code, lines) = log::listen(|| unsafe {
            let keep = ffi::AV_BUFFERSRC_FLAG_KEEP_REF as i32;
            match ffi::av_buffersrc_add_frame_flags(self.source, frame.0, keep) {
                code if code < 0 => code,
                _ => ffi::av_buffersink_get_frame(self.sink, out.0),
            }
        });
        AvError::check(code).map_err(|error| log::describe(&lines, error))?;
        Ok(out)
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        // SAFETY: ours to free, once; the filters belong to the graph; null is allowed.
        unsafe {
            ffi::avfilter_graph_free(&mut self.graph);
            ffi::av_buffer_unref(&mut self.surfaces);
        }
    }
}

fn start(filter: *mut ffi::AVFilterContext, arguments: Option<&CString>) -> Result<(), AvError> {
    let arguments = arguments.map_or(ptr::null(), |arguments| arguments.as_ptr());
    // SAFETY: the filter is one of a valid graph; the arguments are a string or null.
    AvError::check(unsafe { ffi::avfilter_init_str(filter, arguments) }).map(drop)
}

fn link(from: *mut ffi::AVFilterContext, to: *mut ffi::AVFilterContext) -> Result<(), AvError> {
    // SAFETY: both are filters of one valid graph; FFmpeg refuses pads that are not there.
    AvError::check(unsafe { ffi::avfilter_link(from, 0, to, 0) }).map(drop)
}
