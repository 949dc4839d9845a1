"""The embedded `scenes` dataset: images of shaded solids rendered by the project itself, with exact targets."""
