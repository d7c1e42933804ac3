//! A frame plugin that keeps every frame and reads none, to measure the cost of the calls.

wit_bindgen::generate!({ path: "wit", world: "frame-plugin" });

struct Plugin;

impl Guest for Plugin {
    fn configure(_: String) -> Result<(), String> {
        Ok(())
    }

    fn process(_: &Image) -> Result<Verdict, String> {
        Ok(Verdict::Keep)
    }

    fn finish() -> Result<Option<String>, String> {
        Ok(None)
    }
}

export!(Plugin);
