// Views that are loaded when they are first shown.
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { t } from "./i18n";
import { loadPart } from "./load-part";
import { Trouble } from "./ui";

/** A component whose code is loaded when it is first shown. */
export function lazy<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  let loaded: ComponentType<P> | undefined;
  return function Lazy(props: P) {
    const [, turn] = useState(0);
    const [error, setError] = useState<unknown>(undefined);
    useEffect(() => {
      if (loaded !== undefined) return;
      let gone = false;
      loadPart(load).then(
        (component) => {
          loaded = component;
          if (!gone) turn(1);
        },
        (problem) => !gone && setError(problem),
      );
      return () => {
        gone = true;
      };
    }, []);
    if (loaded !== undefined) {
      const Loaded = loaded;
      return <Loaded {...props} />;
    }
    return error === undefined ? <p role="status">{t().loading}</p> : <Trouble error={error} />;
  };
}
