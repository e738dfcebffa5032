<h1><?php echo $t('XMPP chat: connection test')?></h1>
<?php $here = 'test'; ?>
<?php include(erLhcoreClassDesign::designtpl('lhxmppchat/parts/menu.tpl.php'));?>
<?php include(erLhcoreClassDesign::designtpl('lhxmppchat/parts/messages.tpl.php'));?>
<form action="<?php echo $url('xmppchat/test')?>" method="post" ng-non-bindable>
<input type="hidden" name="csfr_token" value="<?php echo $token()?>">
<div class="form-group mb-2">
<label for="xc-page"><?php echo $t('A page of the web site with the LHC widget, to look at its embed code (may be empty)')?></label>
<input class="form-control form-control-sm" id="xc-page" type="url" name="page" maxlength="2000" value="<?php echo $e($page)?>">
<?php if ($suggestion !== '') : ?>
<small class="text-muted"><?php echo $t('The visitor who came last is on:')?>&nbsp;<code><?php echo $e($suggestion)?></code></small>
<?php endif; ?>
</div>
<button type="submit" class="btn btn-primary btn-sm" name="action" value="test"><?php echo $t('Test the connection')?></button>
</form>
<?php if ($findings !== null) : ?>
<table class="table table-sm mt-3" id="xc-findings" ng-non-bindable>
<tbody>
<?php foreach ($findings as $finding) : ?>
<tr data-code="<?php echo $e($finding->code)?>" data-status="<?php echo $e($finding->status)?>">
<td style="width:2em" class="<?php echo ['ok' => 'text-success', 'warning' => 'text-warning', 'problem' => 'text-danger', 'skipped' => 'text-muted'][$finding->status]?>"><strong><?php echo ['ok' => '&#10003;', 'warning' => '!', 'problem' => '&#10007;', 'skipped' => '&#8211;'][$finding->status]?></strong></td>
<td><?php echo $e($finding->text)?><?php if ($finding->advice !== '') : ?><br><strong><?php echo $e($finding->advice)?></strong><?php endif; ?></td>
<td class="text-muted"><small><?php echo $e($finding->code)?></small></td>
</tr>
<?php endforeach; ?>
</tbody>
</table>
<?php endif; ?>
