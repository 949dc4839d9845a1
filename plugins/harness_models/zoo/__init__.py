"""The tiny zoo: ten encoders of one architecture, and the catalogue file that names them."""
