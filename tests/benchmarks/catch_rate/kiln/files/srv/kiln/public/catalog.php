<?php // an entry of the catalogue
