// Keeps pictures that the page shows.

import { savePictures } from "./export";
import type { Part } from "./export";
import { useStore } from "./store";

export function SaveButtons({ parts }: { parts: readonly Part[] }) {
  const { run } = useStore();
  return (
    <>
      <button type="button" onClick={() => savePictures(run, parts, "png")}>
        Save PNG
      </button>
      <button type="button" onClick={() => savePictures(run, parts, "svg")}>
        Save SVG
      </button>
    </>
  );
}
