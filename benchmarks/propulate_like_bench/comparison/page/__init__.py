"""The page: what it says of a comparison (`section`), as HTML with pictures in it, and as Markdown."""
