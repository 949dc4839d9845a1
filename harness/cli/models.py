"""``harness models``: list models, and load one to see that it works."""

from __future__ import annotations

import typer

from harness.cli.common import make_host, print_table

app = typer.Typer(help="List and verify models.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(context: typer.Context) -> None:
    """The registered models and schemes."""
    print_table(("model", "", "from"), ((e.name, e.summary, e.origin) for e in make_host(context)["model"]))


@app.command()
def verify(context: typer.Context, names: list[str] = typer.Argument(help="Models or URIs.")) -> None:
    """Load models strictly and embed one blank image; prints parameters, dimension and layers."""
    import torch

    from harness.encoder import EMBEDDING
    from harness.lookup import find_model

    host, rows = make_host(context), []
    for name in names:
        model = find_model(host, name)
        encoder = model.load().eval()
        side = model.preprocess.size
        with torch.inference_mode():
            embedding = encoder(torch.zeros(1, 3, side, side, dtype=torch.uint8))[EMBEDDING]
        parameters = sum(p.numel() for p in encoder.parameters())
        rows.append((name, f"{parameters / 1e6:.2f} M", embedding.shape[1], f"{side} px", " ".join(encoder.layers)))
    print_table(("model", "parameters", "dimension", "input", "layers"), rows)
