<?php // the back office
