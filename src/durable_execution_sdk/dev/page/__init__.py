"""The web page of the development server: files that are served as they are, and the routes that serve them."""
