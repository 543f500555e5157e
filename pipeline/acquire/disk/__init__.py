"""Products on a disk in the post: recognised by name and metadata, catalogued as static STAC items.

``survey`` finds products and reads their metadata; ``shelve`` makes what is slow or raw ready to be
read (JPEG 2000 transcoded, archives unpacked, raw images orthorectified), once, into the state
folder; ``search`` writes the items and searches them by the path of any other catalogue.
"""
