"""Data only: shipped tables, published numbers of papers, golden traces."""

if __name__ != "nasbench.results":
    raise ImportError("this folder is the package nasbench.results: import it by that name")
