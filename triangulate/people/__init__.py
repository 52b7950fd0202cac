"""Who is who: which figure in which picture is which person, between cameras and over time."""
