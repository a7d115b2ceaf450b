// Keeps what the page shows, as a file.

import type { Bar } from "./bars";
import { saveBars, savePictures } from "./export";
import type { Format, Part } from "./export";
import { useStore } from "./store";

export function SaveButtons({ parts }: { parts: readonly Part[] }) {
  const { run } = useStore();
  return <Buttons save={(format) => savePictures(run, parts, format)} />;
}

export function SaveBars({ bars }: { bars: readonly Bar[] }) {
  return <Buttons save={(format) => saveBars(bars, format)} />;
}

function Buttons({ save }: { save: (format: Format) => void }) {
  return (
    <>
      <button type="button" onClick={() => save("png")}>
        Save PNG
      </button>
      <button type="button" onClick={() => save("svg")}>
        Save SVG
      </button>
    </>
  );
}
