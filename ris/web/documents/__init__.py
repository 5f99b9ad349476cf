"""Documents that came from elsewhere, as pages show them and hand them out."""
