"""The reference in docs/ and the schemas for editors, made from the code: `python -m remedy.reference docs`.

Docstrings are the pages, fields the tables; a test holds that what is committed is what would be made.
"""
