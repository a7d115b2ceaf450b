// A sample, small or large, and what stands below it.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { paintDifference, paintSample, sizeOf } from "./paint";
import type { Run } from "./run";
import type { Numbers } from "./safetensors";
import { useStore } from "./store";

interface PictureProps {
  values: Numbers | undefined;
  alt: string;
  /** Of a difference: the change that is drawn in full colour. */
  full?: number;
  /** Of another run than the page's. */
  run?: Run;
  outside?: boolean;
}

export function Picture({ values, alt, full, run, outside }: PictureProps) {
  const store = useStore();
  const of = run ?? store.run;
  const canvas = useRef<HTMLCanvasElement>(null);
  const { width, height, pixels } = sizeOf(of);
  const scheme = store.scheme.value; // bars have the colour of the text
  useLayoutEffect(() => {
    if (!canvas.current || !values) return;
    if (full === undefined) paintSample(of, canvas.current, values);
    else paintDifference(of, canvas.current, values, full);
  }, [values, full, of, scheme]);
  const classes = [
    "picture",
    of.view !== "images" && "shape",
    pixels && "pixels",
    full !== undefined && "difference",
    outside && "outside",
  ];
  return (
    <canvas
      ref={canvas}
      class={classes.filter(Boolean).join(" ")}
      width={width}
      height={height}
      role="img"
      aria-label={outside ? `${alt}, outside the data` : alt}
    />
  );
}

interface TileProps extends PictureProps {
  caption?: ComponentChildren;
  title?: string;
  current?: boolean;
  onPick?: () => void;
}

/** A picture to pick, or one that is only shown. */
export function Tile({ caption, title, current, onPick, ...picture }: TileProps) {
  const content = (
    <>
      <Picture {...picture} />
      {caption !== undefined && <span class="caption">{caption}</span>}
    </>
  );
  if (!onPick)
    return (
      <span class="tile" title={title}>
        {content}
      </span>
    );
  return (
    <button type="button" class="tile" title={title} aria-pressed={current ?? false} onClick={onPick}>
      {content}
    </button>
  );
}

/** What a latent changes, as a difference picture. */
export function Change({ run, latent }: { run: Run; latent: number }) {
  return <Picture run={run} values={run.change.row(latent)} full={127} alt={`what latent ${latent} changes`} />;
}
