<?php foreach ($errors as $error) : ?>
<div role="alert" class="alert alert-danger p-2" ng-non-bindable><?php echo $e($error)?></div>
<?php endforeach; ?>
<?php if (isset($done) && $done !== '') : ?>
<div role="status" class="alert alert-success p-2" ng-non-bindable><?php echo $e($done)?></div>
<?php endif; ?>
