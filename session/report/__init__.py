"""Pages that tell how good a result is: self-contained HTML, one module a page on the same house style."""
